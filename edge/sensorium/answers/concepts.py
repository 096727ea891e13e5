"""Which words mean which thing: the detector's 80 names (COCO), and what people and classifiers call them.

``label_of`` goes from a spoken noun to a detector's name; ``concept_of`` from a classifier's name (ImageNet's
thousand) to the detector's name that covers it, so that one cat is not told twice.
"""

from functools import cache
from itertools import pairwise

from sensorium.answers.nouns import singular

# The 80 names of COCO (Lin et al., 2014, https://arxiv.org/abs/1405.0312), by kind.
_KINDS: dict[str, str] = {
    "person": "person",
    "vehicle": "bicycle, car, motorcycle, airplane, bus, train, truck, boat",
    "street furniture": "traffic light, fire hydrant, stop sign, parking meter, bench",
    "animal": "bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe",
    "luggage": "backpack, handbag, suitcase",
    "clothing": "tie, umbrella, backpack, handbag",
    "sports gear": (
        "frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, surfboard, "
        "tennis racket"
    ),
    "dish": "bottle, wine glass, cup, fork, knife, spoon, bowl",
    "cutlery": "fork, knife, spoon",
    "drink": "bottle, wine glass, cup",
    "fruit": "banana, apple, orange",
    "vegetable": "broccoli, carrot",
    "food": "banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake",
    "furniture": "chair, couch, bed, dining table, bench",
    "seat": "chair, couch, bench",
    "electronic device": "tv, laptop, mouse, remote, keyboard, cell phone",
    "computer": "laptop",
    "appliance": "microwave, oven, toaster, sink, refrigerator, hair drier, toilet",
    "household thing": "potted plant, book, clock, vase, scissors, teddy bear, toothbrush",
    "toy": "teddy bear, sports ball, kite, frisbee",
    "pet": "cat, dog, bird",
    "bag": "backpack, handbag, suitcase",
    "glass": "wine glass, cup",
    "ball": "sports ball",
    "plant": "potted plant",
}
CATEGORIES: dict[str, frozenset[str]] = {
    kind: frozenset(labels.split(", "))
    for kind, labels in _KINDS.items()
    if kind not in ("person", "household thing", "street furniture", "ball", "plant")
}
LABELS: frozenset[str] = frozenset(label for labels in _KINDS.values() for label in labels.split(", "))
EVERYTHING = frozenset(["thing", "object", "something", "anything", "item", "stuff", "everything", "nothing"])

# What people, and other detectors, call them. Words of one line mean its first.
_SYNONYMS = """
person: human, man, woman, boy, girl, child, kid, baby, guy, lady, gentleman, somebody, someone,
    anybody, anyone, everybody, everyone, nobody, people, face, body, adult, visitor, customer,
    pedestrian, passenger, worker, folk, user, human being, me, myself, us, toddler, infant, player
tv: television, tv monitor, tvmonitor, telly, tv set, television set, screen, monitor, display
couch: sofa, settee, loveseat
cell phone: phone, mobile, mobile phone, cellphone, smartphone, smart phone, iphone, telephone, handset
bicycle: bike, cycle, push bike, mountain bike
motorcycle: motorbike, motor bike, scooter, moped, motor scooter, motor cycle
airplane: plane, aeroplane, aircraft, jet, airliner, jumbo jet
car: automobile, auto, taxi, cab, suv, sedan, jeep, sports car, race car, minivan, motorcar
truck: lorry, pickup, pickup truck, van, fire truck, fire engine, trailer
bus: coach, minibus, school bus
boat: ship, canoe, kayak, sailboat, sail boat, yacht, ferry, rowing boat
train: locomotive, tram, railway, subway, metro
traffic light: traffic signal, stoplight, stop light, signal light
fire hydrant: hydrant
stop sign: road sign, sign
cat: kitten, kitty, pussycat, tomcat, feline, tabby
dog: puppy, doggy, doggie, pup, hound, canine
bird: duck, chicken, pigeon, parrot, eagle, sparrow, seagull, goose, hen, rooster
horse: pony, foal, stallion, mare, donkey
cow: bull, calf, cattle, ox
sheep: lamb, goat, ram
bear: grizzly, polar bear, panda
backpack: rucksack, knapsack, school bag
handbag: purse, hand bag, shoulder bag
suitcase: luggage, case, trolley case
tie: necktie, bow tie
umbrella: parasol, brolly
sports ball: ball, football, basketball, soccer ball, tennis ball, baseball, volleyball
skis: ski
tennis racket: racket, racquet, tennis racquet
baseball bat: bat
baseball glove: glove, mitt
skateboard: skate board
surfboard: surf board
bottle: flask, water bottle, wine bottle, beer bottle
wine glass: goblet, wineglass
cup: mug, coffee cup, tea cup, teacup, coffee mug, coffee, tumbler, beaker, beer glass
bowl: soup bowl, dish
donut: doughnut
cake: birthday cake, cupcake, pie
hot dog: hotdog, sausage
sandwich: burger, hamburger, cheeseburger, toast
chair: armchair, stool, seat
potted plant: plant, flower, pottedplant, houseplant, house plant, flower pot, pot plant
dining table: table, diningtable, desk
laptop: notebook, notebook computer, computer, macbook, laptop computer, pc
mouse: computer mouse
remote: remote control, remote controller
keyboard: computer keyboard
microwave: microwave oven
oven: stove, cooker
refrigerator: fridge, freezer, icebox
hair drier: hair dryer, hairdryer, hairdrier
clock: watch, alarm clock, wall clock
vase: jar
teddy bear: teddy, stuffed animal, soft toy, plush toy
toilet: loo, toilet seat
book: novel, magazine, textbook
sink: basin, washbasin
"""

# Words in ImageNet's names that tell which detector's name covers them; whole names first, then single words.
_CLASSIFIED = """
dog: dog, terrier, spaniel, hound, foxhound, wolfhound, deerhound, greyhound, otterhound, bloodhound,
    elkhound, coonhound, retriever, pointer, setter, collie, poodle, corgi, husky, schnauzer, mastiff,
    bullmastiff, bulldog, dane, pinscher, sheepdog, sennenhund, mountain dog, shepherd, malamute,
    samoyed, pomeranian, chow, keeshond, griffon, leonberger, newfoundland, pyrenees, dalmatian,
    affenpinscher, basenji, pug, chihuahua, japanese chin, japanese spaniel, maltese, pekingese,
    pekinese, shih-tzu, shih tzu, papillon, ridgeback, basset, beagle, bluetick, borzoi, whippet,
    saluki, weimaraner, dinmont, lhasa, apso, vizsla, brittany, kuvasz, schipperke, groenendael,
    malinois, briard, kelpie, komondor, bouvier, rottweiler, dobermann, doberman, boxer, st. bernard,
    saint bernard, pembroke, cardigan welsh corgi, appenzeller, entlebucher, mexican hairless, redbone,
    airedale, eskimo dog, toy terrier
cat: cat, tabby, egyptian mau, siamese, persian cat, a cat having a striped coat
bird: bird, rooster, cock, hen, ostrich, brambling, goldfinch, finch, junco, bunting, robin, bulbul,
    jay, magpie, chickadee, dipper, ouzel, eagle, vulture, owl, grouse, ptarmigan, peafowl, peacock,
    quail, partridge, parrot, macaw, cockatoo, lorikeet, coucal, bee eater, hornbill, hummingbird,
    jacamar, toucan, drake, merganser, goose, swan, stork, spoonbill, flamingo, heron, egret, bittern,
    crane bird, limpkin, gallinule, coot, bustard, turnstone, dunlin, redshank, dowitcher,
    oystercatcher, pelican, penguin, albatross
bear: bear
sheep: ram, bighorn, sheep
cow: ox, water buffalo, bison, bullock
horse: horse, sorrel
elephant: elephant, tusker
zebra: zebra
cup: mug, cup, coffee mug, tea cup, espresso, eggnog
wine glass: goblet, red wine, beer glass
bottle: bottle
bowl: bowl, mixing bowl, soup bowl, consomme, hot pot
car: car, taxicab, cab, convertible, jeep, limousine, minivan, wagon, sports car, race car, ford model
    t, car wheel, car mirror, radiator grille
truck: truck, moving van, police van, garbage truck, tow truck, snowplow, semi-trailer, recreational
    vehicle
bus: bus, minibus, school bus, trolleybus
train: train, locomotive, tram, freight car, railroad car
airplane: airliner, military aircraft, airplane, warplane, airplane wing
boat: boat, motorboat, fireboat, lifeboat, gondola, canoe, kayak, catamaran, trimaran, schooner, yawl,
    ocean liner, container ship, pirate ship, speedboat
bicycle: bicycle, bike, tricycle, unicycle
motorcycle: moped, motor scooter
traffic light: traffic light
stop sign: street sign, traffic or street sign
parking meter: parking meter
bench: park bench, bench
backpack: backpack
umbrella: umbrella
handbag: purse, handbag, messenger bag
tie: tie, windsor tie, bow tie, bolo tie
skis: ski
sports ball: ball, soccer ball, tennis ball, basketball, baseball, volleyball, golf ball, rugby ball,
    ping-pong ball, croquet ball
tennis racket: racket
banana: banana
apple: granny smith, apple
orange: orange
broccoli: broccoli
hot dog: hot dog
pizza: pizza
sandwich: cheeseburger
cake: trifle
chair: chair, rocking chair, barber chair, folding chair, throne
couch: couch, studio couch, sofa
potted plant: plant pot, pot
bed: bed, four-poster, four-poster bed, infant bed
dining table: dining table, desk, pool table
toilet: toilet seat, toilet
tv: television, monitor, screen, crt monitor, home theater, entertainment center
laptop: laptop, notebook computer, laptop computer, notebook
mouse: computer mouse, mouse
remote: remote control, remote
keyboard: computer keyboard, typewriter keyboard, keyboard space bar, space bar
cell phone: mobile phone, cellular telephone, hand-held computer, ipod
microwave: microwave
oven: oven, stove, rotisserie
toaster: toaster
sink: sink, washbasin
refrigerator: refrigerator, icebox
book: comic book, book jacket, dust jacket, bookcase, bookstore, library
clock: clock, analog clock, wall clock, digital clock, digital watch
vase: vase
knife: cleaver, letter opener
spoon: spoon, wooden spoon, ladle
teddy bear: teddy, teddy bear
hair drier: hair dryer, hair drier
person: baseball player, bridegroom, groom, scuba diver
"""
_ELSE = """
sea lion, dog sled, birdhouse, fire screen, window screen, shoji screen / room divider, balaclava ski mask,
horse chestnut seed, toilet paper, pot pie, crock pot, espresso machine, kite (bird of prey)
"""  # names that hold one of these words and are something else
_NOT_COVERED = frozenset(" ".join(_ELSE.split()).split(", "))

# How a detector's name is said.
SPOKEN = {
    "tv": "television",
    "cell phone": "phone",
    "dining table": "table",
    "potted plant": "plant",
    "sports ball": "ball",
    "hair drier": "hair dryer",
    "remote": "remote control",
}

# Classifier's names that are no names.
RENAMED = {"a cat having a striped coat": "striped cat", "fruiting spike of a cereal plant": "cereal plant"}


def label_of(noun: str) -> str | None:
    """The detector's name for a spoken noun, singular or plural; None if none is known."""
    for form in (noun, singular(noun)):
        if form in LABELS:
            return form
        if form in _words("synonyms"):
            return _words("synonyms")[form]
    return None


def known_nouns() -> list[str]:
    """Every noun that ``label_of`` and ``CATEGORIES`` know, in a fixed order."""
    return sorted(LABELS | set(_words("synonyms")) | set(CATEGORIES))


def concept_of(name: str) -> str | None:
    """The detector's name that covers a classifier's name: ``Siamese cat`` -> ``cat``; None if none does."""
    lowered = name.lower()
    if lowered in _NOT_COVERED:
        return None
    classified = _words("classified")
    if lowered in classified or label_of(lowered):
        return classified.get(lowered) or label_of(lowered)
    words = lowered.replace(",", " ").split()
    pairs = [" ".join(pair) for pair in pairwise(words)]
    return next((classified[part] for part in [*pairs, *reversed(words)] if part in classified), None)


@cache
def _words(table: str) -> dict[str, str]:
    """One of the tables above as word -> first word of its line."""
    text = {"synonyms": _SYNONYMS, "classified": _CLASSIFIED}[table]
    lines = text.strip().replace("\n    ", " ").splitlines()
    return {word: label for label, words in (line.split(": ") for line in lines) for word in words.split(", ")}
