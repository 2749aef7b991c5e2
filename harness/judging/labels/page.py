"""The page on which people label: one episode at a time, the rubric beside it, every answer sent as soon as it is given. It is
one file that loads nothing; what agents wrote is put in as text, never as HTML."""

from __future__ import annotations

import json
from typing import Any

_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Labels</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body{font:16px/1.45 system-ui,sans-serif;margin:0;color:#1c1c1c;background:#fff}
header{position:sticky;top:0;background:#f3f3f3;padding:.6rem 1rem;display:flex;gap:1rem;align-items:center;flex-wrap:wrap}
main{display:grid;grid-template-columns:minmax(0,3fr) minmax(18rem,2fr);gap:1.5rem;padding:1rem}
pre{white-space:pre-wrap;overflow-wrap:anywhere;font:inherit;background:#f8f8f8;padding:.8rem;margin:0 0 1rem}
.turn{margin:.4rem 0}.who{font-weight:600}label{display:block;margin:.35rem 0}input[type=number]{width:5rem;font:inherit}
button,select,input{font:inherit}#state{margin-left:auto}.bad{color:#a00000}
@media(max-width:50rem){main{grid-template-columns:1fr}}
</style></head><body>
<header><label>Your name or initials <input id="who" maxlength="40"></label>
<button id="back">Back</button><span id="where"></span><button id="next">Next</button>
<span id="state" role="status"></span></header>
<main><section aria-label="Episode"><pre id="background"></pre><div id="turns"></div></section>
<section aria-label="Questions"><form id="questions"></form><h2>How to score</h2><pre id="rubric"></pre></section></main>
<script type="application/json" id="data">"""
_TAIL = """</script>
<script>
const data=JSON.parse(document.getElementById('data').textContent),at=id=>document.getElementById(id);
let now=0;
at('who').value=localStorage.getItem('annotator')||'';
at('rubric').textContent=data.rubric;
function add(tag,text,to,name){
  const e=document.createElement(tag);
  if(text!==null)e.textContent=text;
  if(name)e.className=name;
  to.append(e);return e
}
function say(text,name){at('state').textContent=text;at('state').className=name||''}
const key=q=>[data.items[now].item,q.seat,q.turn,q.dimension,at('who').value].join('|');
async function send(q,value){
  if(!/^[A-Za-z0-9][A-Za-z0-9_.@-]{0,39}$/.test(at('who').value))return say('Not saved: say who you are first','bad');
  localStorage.setItem('annotator',at('who').value);
  try{
    const r=await fetch('labels',{method:'POST',headers:{'Content-Type':'application/json','X-Token':data.token},
      body:JSON.stringify({item:data.items[now].item,seat:q.seat,turn:q.turn,dimension:q.dimension,value,
        annotator:at('who').value})});
    if(r.ok)data.given[key(q)]=value;
    say(r.ok?'Saved':await r.text(),r.ok?'':'bad');
  }catch(e){say('Not saved: the server does not answer','bad')}
}
function show(){
  const item=data.items[now];
  at('where').textContent=`Episode ${now+1} of ${data.items.length}`;
  at('background').textContent=item.background;at('turns').replaceChildren();at('questions').replaceChildren();
  for(const t of item.turns){const e=add('div',null,at('turns'),'turn');add('span',t.who+' ',e,'who');add('span',t.did,e)}
  let who='';
  for(const q of item.questions){
    if(q.who!==who){add('h3',q.who,at('questions'));who=q.who}
    const l=add('label',null,at('questions'));
    if(q.text!==null){add('div','Turn '+(q.turn+1)+': '+q.text,l)}
    add('span',(q.text===null?q.dimension.replaceAll('_',' '):'critical? 1 yes, 0 no')+' ('+q.low+' to '+q.high+') ',l);
    const i=add('input',null,l);i.type='number';i.min=q.low;i.max=q.high;i.step=1;
    const had=data.given[key(q)];if(had!==undefined)i.value=had;
    i.onchange=()=>{if(i.value!=='')send(q,Number(i.value))};
  }
  scrollTo(0,0);
}
at('next').onclick=()=>{now=Math.min(data.items.length-1,now+1);show()};
at('back').onclick=()=>{now=Math.max(0,now-1);show()};
at('who').onchange=show;
at('questions').onsubmit=()=>false;
show();
</script></body></html>
"""


def page_text(items: list[dict[str, Any]], rubric: str, token: str, given: dict[str, float]) -> str:
    """The whole page. `given`: `item|seat|turn|dimension|annotator` -> value, of what was labelled before."""
    data = {"items": items, "rubric": rubric, "token": token, "given": given}
    text = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", "\\u2028")
    return _HEAD + text + _TAIL
