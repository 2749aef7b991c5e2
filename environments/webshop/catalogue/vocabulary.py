"""Vocabulary of the built-in catalogue: kinds of products with their attributes, options and prices.

All our own. Names of categories follow the original's five departments, colours are taken from its colour list, so that the
reward's colour rule has something to do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProductKind:
    """One kind of product."""

    query: str
    """Name a shopper gives it, plural; also the product's `query` field."""
    noun: str
    """Name the title gives it; every word is a noun."""
    category: str
    path: str
    """The product category, most general first."""
    attributes: tuple[str, ...]
    options: tuple[str, ...]
    """Names of option menus below."""
    price: tuple[int, int]
    """Cheapest and dearest, dollars."""


def _kinds(category: str, root: str, attributes: str, rows: str) -> tuple[ProductKind, ...]:
    """Rows of `query | noun | path below the root | further attributes | options | price`."""
    shared = tuple(attributes.split(", "))
    found = []
    for row in rows.strip().splitlines():
        query, noun, path, own, options, price = (part.strip() for part in row.split("|"))
        low, high = price.split("-")
        found.append(
            ProductKind(
                query=query,
                noun=noun,
                category=category,
                path=f"{root} \u203a {path.replace(' > ', f' {chr(0x203A)} ')}",
                attributes=(*own.split(", "), *shared),
                options=tuple(name for name in options.split(", ") if name != "-"),
                price=(int(low), int(high)),
            )
        )
    return tuple(found)


KINDS: tuple[ProductKind, ...] = (
    *_kinds(
        "beauty",
        "Beauty & Personal Care",
        "cruelty free, long lasting, paraben free, travel size, sensitive skin, easy to use",
        """
        shampoos | Shampoo | Hair Care > Shampoo | sulfate free, tea tree, dry hair, color safe | scent, container | 6-35
        lipsticks | Lipstick | Makeup > Lips > Lipstick | highly pigmented, matte finish, vitamin e | color | 5-30
        face creams | Face Cream | Skin Care > Face > Creams | hyaluronic acid, anti aging, fine lines | scent, container | 9-60
        hair brushes | Hair Brush | Hair Care > Tools > Brushes | natural bristles, wet hair, anti static | color | 6-28
        body lotions | Body Lotion | Skin Care > Body > Lotions | shea butter, coconut oil, dry skin | scent, container | 5-32
        nail polishes | Nail Polish | Nail Care > Polish | quick drying, chip resistant, high gloss | color | 4-18
        electric toothbrushes | Toothbrush | Oral Care > Toothbrushes | soft bristles, two minute timer | color | 18-95
        soap bars | Soap Bar | Bath > Soap | handmade, essential oils, palm oil free | scent, pack | 5-26
        """,
    ),
    *_kinds(
        "electronics",
        "Electronics",
        "high speed, plug and play, fast charging, easy to install, compact size, one year warranty",
        """
        phone cases | Phone Case | Accessories > Cases | shock proof, wireless charging, scratch resistant | color, model | 8-35
        usb cables | Cable | Accessories > Cables | gold plated, nylon braided, tangle free | color, length | 5-24
        headphones | Headphones | Audio > Headphones | noise cancelling, hands free, stereo sound | color | 18-180
        bluetooth speakers | Speaker | Audio > Speakers | water proof, deep bass, built in microphone | color | 16-140
        tripods | Tripod | Camera > Tripods | aluminum alloy, light weight, carrying bag | color, length | 15-110
        keyboards | Keyboard | Computers > Keyboards | back lit, mechanical switches, spill resistant | color, layout | 19-130
        web cameras | Camera | Computers > Cameras | 1080p hd, auto focus, low light | color | 22-120
        power banks | Power Bank | Accessories > Power | solar powered, high capacity, led light | color | 14-75
        """,
    ),
    *_kinds(
        "fashion",
        "Clothing, Shoes & Jewelry",
        "machine wash, hand wash, everyday wear, gift ready, plus sizes, soft touch",
        """
        men's shirts | Shirt | Men > Clothing > Shirts | slim fit, long sleeve, button closure, wrinkle free | color, size | 12-60
        women's dresses | Dress | Women > Clothing > Dresses | high waist, short sleeve, side pockets | color, size | 18-90
        running shoes | Shoes | Shoes > Athletic > Running | rubber sole, arch support, non slip | color, shoe size | 28-140
        winter jackets | Jacket | Clothing > Coats > Jackets | wind proof, faux fur, zipper closure | color, size | 35-180
        women's leggings | Leggings | Women > Clothing > Active | tummy control, four way stretch | color, size | 10-45
        wool socks | Socks | Clothing > Socks | merino wool, cushioned heel, seamless toe | color, pack | 7-32
        leather belts | Belt | Accessories > Belts | genuine leather, reversible, metal buckle | color, size | 12-55
        backpacks | Backpack | Luggage > Backpacks | water resistant, laptop sleeve, padded straps | color, capacity | 20-110
        """,
    ),
    *_kinds(
        "garden",
        "Home & Kitchen",
        "easy to clean, space saving, eco friendly, easy assembly, heavy duty, living room",
        """
        table lamps | Lamp | Lighting > Lamps | touch control, dimmable light, glass shade | color | 18-120
        throw pillows | Pillow | Bedding > Pillows | hypoallergenic, removable cover, double sided | color, shape | 9-48
        bar stools | Stool | Furniture > Kitchen > Stools | swivel seat, faux leather, adjustable height | color | 45-210
        window curtains | Curtains | Decor > Curtains | room darkening, thermal insulated, grommet top | color, shape | 14-75
        storage baskets | Basket | Storage > Baskets | hand woven, foldable, carry handles | color, shape | 10-50
        area rugs | Rug | Decor > Rugs | non shedding, stain resistant, low pile | color, shape | 25-260
        frying pans | Pan | Kitchen > Cookware > Pans | non stick, oven safe, dishwasher safe | color, size | 16-85
        flower pots | Pot | Garden > Pots | drainage hole, frost resistant, self watering | color, size | 8-60
        """,
    ),
    *_kinds(
        "grocery",
        "Grocery & Gourmet Food",
        "non gmo, resealable bag, low sodium, kosher certified, no artificial colors, family size",
        """
        green teas | Tea | Beverages > Tea > Green | caffeine free, usda organic, loose leaf | flavor, pack | 5-28
        coffee beans | Coffee | Beverages > Coffee | fair trade, dark roast, low acid | flavor, pack | 9-45
        protein bars | Protein Bar | Snacks > Bars | gluten free, high protein, keto friendly | flavor, pack | 8-40
        dried fruits | Fruit | Snacks > Dried Fruit | no added sugar, sun dried, dietary fiber | flavor, pack | 6-34
        hot sauces | Sauce | Pantry > Sauces | extra hot, small batch, vinegar free | flavor, pack | 5-24
        crackers | Crackers | Snacks > Crackers | whole grain, oven baked, dairy free | flavor, pack | 4-26
        olive oils | Olive Oil | Pantry > Oils | cold pressed, extra virgin, single origin | container, pack | 9-60
        chocolates | Chocolate | Snacks > Chocolate | sugar free, plant based, single estate | flavor, pack | 4-30
        """,
    ),
)

MENUS: dict[str, tuple[str, ...]] = {
    "color": ("black", "white", "red", "blue", "green", "grey", "navy", "pink", "purple", "yellow", "brown", "beige"),
    "size": ("petite", "small", "medium", "large", "oversized", "kids"),
    "shoe size": ("6", "7", "8", "9", "10", "11", "12"),
    "scent": ("lavender", "vanilla", "citrus", "rose", "unscented", "mint", "cedar", "ocean breeze"),
    "container": ("travel tube", "slim bottle", "pump dispenser", "refill pouch", "glass jar"),
    "pack": ("single piece", "twin pack", "six count", "dozen box", "bulk crate"),
    "flavor": ("original", "honey", "lemon", "cinnamon", "berry mix", "peach", "ginger", "caramel", "sea salt"),
    "length": ("3 feet", "6 feet", "10 feet", "25 feet"),
    "model": ("pixel", "galaxy", "iphone", "xperia", "moto", "nord"),
    "layout": ("full size", "tenkeyless", "sixty percent", "number pad"),
    "capacity": ("commute", "day trip", "weekend", "expedition"),
    "shape": ("square", "runner", "round", "wide panel", "half moon"),
}
"""Option name -> values to choose a product's menu from. No two of a menu match each other in the reward's eyes."""

STYLES = ("Classic", "Modern", "Rustic", "Nordic", "Urban", "Vintage", "Premium", "Essential", "Pro", "Mini", "Deluxe")
"""Title words that are no nouns."""

SERIES = (
    "Harbor", "Meadow", "Summit", "Willow", "Ember", "Canyon", "Aurora", "Tidal", "Cedar", "Comet", "Prairie", "Onyx",
    "Lagoon", "Juniper", "Falcon", "Quartz", "Breeze", "Maple", "Orbit", "Sierra", "Velvet", "Anchor", "Bramble",
)  # fmt: skip
"""Title words that are nouns."""

SYLLABLES = (
    "ba be bo da de do fa fe fi ga go ka ke ki ko la le li lo lu ma me mi mo na ne ni no pa pe po ra re ri ro "
    "sa se so ta te ti to va ve vi vo za ze zo"
)
"""Syllables that brand names are made of."""

SENTENCES = (
    "Made for people who want {a} and {b} without fuss.",
    "Our {thing} come with {a} in mind, and every one is checked by hand.",
    "If {a} matters to you, this is the one to have; {b} comes on top.",
    "Designed in small runs, packed with care, and known for {a}.",
    "It pairs {a} with {b}, so it fits right in.",
    "Customers praise {a} and come back for more.",
    "A dependable choice for home, office and travel with {b}.",
)
BULLETS = (
    "{A}: tested again and again.",
    "{A} - you will notice the difference from the first day.",
    "We thought of {a}, so you do not have to.",
    "Comes with {a}; nothing else is needed.",
    "A present anyone will like, with {a}.",
)
REQUESTS = (
    "i am looking for {thing} with {attributes}{options}.",
    "i need {thing} that offer {attributes}{options}",
    "find me {thing} with {attributes}{options}",
    "can you help me buy {thing}? they should have {attributes}{options}",
    "i would like some {thing}, {attributes}{options}, please.",
    "i'm shopping for {thing} and want {attributes}{options}",
    "show me {thing} featuring {attributes}{options}.",
    "my sister asked for {thing} with {attributes}{options}",
    "order {thing} for me; important to me: {attributes}{options}",
    "get me {attributes} {thing}{options}",
    "we ran out of {thing}. please find some with {attributes}{options}",
    "do you have {thing} with {attributes}? i want{options}",
)
OPTION_PHRASES: dict[str, tuple[str, ...]] = {
    "color": ("in {value}", "that come in {value}", "and {value} in color"),
    "size": ("in size {value}", "and the size is {value}"),
    "shoe size": ("in shoe size {value}", "and i wear a {value}"),
    "scent": ("with a {value} scent", "that smell of {value}"),
    "container": ("in a {value}", "and it should come in a {value}"),
    "pack": ("as a {value}", "and it should be a {value}"),
    "flavor": ("in {value} flavor", "that taste of {value}"),
    "length": ("of {value}", "{value} long"),
    "model": ("that fit my {value}", "for a {value}"),
    "layout": ("with the {value} layout", "in {value} format"),
    "capacity": ("with room for a {value}", "big enough for a {value}"),
    "shape": ("in {value} shape", "shaped {value}"),
}
"""Option name -> ways to ask for a value."""
