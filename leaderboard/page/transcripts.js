// Searches the list of episodes, and shows some rows at a time. Without it the page shows them all.
const rows = [...document.querySelectorAll("#episodes tbody tr")];
const search = document.getElementById("search");
const more = document.getElementById("more");
const EACH = 50;
let shown = EACH;
const draw = () => {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = rows.filter((row) => {
    const text = row.textContent.toLowerCase() + " " + row.dataset.said;
    return words.every((word) => text.includes(word));
  });
  const kept = new Set(fits.slice(0, shown));
  for (const row of rows) row.hidden = !kept.has(row);
  document.getElementById("found").textContent = `${fits.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} episodes`;
  more.hidden = fits.length <= shown;
};
search.addEventListener("input", () => { shown = EACH; draw(); });
more.addEventListener("click", () => { shown += EACH; draw(); });
draw();
