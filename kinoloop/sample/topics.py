"""The dozen topics and four styles of the sample: their colours and the words they are told in.

A topic names what is shown and heard (`scenes.py` and `sounds.py` have one function for each), a
style how it is told. Topics of one mood are liked by the same people, so that what somebody
watched says something about topics they have not tried.
"""

from dataclasses import dataclass

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Topic:
    """What a video is about.

    Attributes:
        name: Key of its scene and its sound.
        category: As the catalogue shows it.
        mood: Topics of one mood share fans.
        palette: Background, middle, foreground, accent.
        things: What can be shown ("a pot of dumplings").
        actions: What can be done ("fold dumplings").
        places: Where.
        remarks: What people comment.
    """

    name: str
    category: str
    mood: str
    palette: tuple[Colour, Colour, Colour, Colour]
    things: tuple[str, ...]
    actions: tuple[str, ...]
    places: tuple[str, ...]
    remarks: tuple[str, ...]


STYLES = ("tutorial", "calm", "hype", "story")

TOPICS: tuple[Topic, ...] = (
    Topic(
        "cooking",
        "Food",
        "home",
        ((70, 32, 20), (150, 70, 30), (235, 170, 80), (255, 235, 190)),
        ("dumplings", "onion soup", "sourdough", "a lentil curry", "pepper stew", "fried rice"),
        ("fold dumplings", "caramelise onions", "knead bread", "season a pan", "reduce a sauce"),
        ("a tiny kitchen", "a night market", "my grandmother's kitchen", "a food truck"),
        ("Made this tonight, my kids asked for more.", "How hot is the pan?", "Now I am hungry."),
    ),
    Topic(
        "gardening",
        "Home & Garden",
        "home",
        ((210, 230, 200), (60, 120, 50), (30, 80, 35), (240, 120, 140)),
        ("tomato seedlings", "a climbing rose", "a fern corner", "raised beds", "wild herbs"),
        ("prune roses", "sow carrots", "repot a fern", "build a trellis", "start compost"),
        ("a balcony", "the greenhouse", "an old orchard", "a shady backyard"),
        ("My basil finally survived.", "Which soil do you use?", "So green, I love it."),
    ),
    Topic(
        "trains",
        "Travel",
        "home",
        ((120, 150, 190), (60, 66, 84), (190, 60, 50), (250, 220, 130)),
        ("the night train", "a mountain railway", "a tram line", "an old steam engine"),
        ("catch the first train", "ride across the Alps", "read a timetable", "build a model line"),
        ("the central station", "a valley viaduct", "the depot", "a border crossing"),
        ("I took this line as a child.", "Which seat has the view?", "The clacking is so good."),
    ),
    Topic(
        "ocean",
        "Nature",
        "outdoors",
        ((150, 205, 230), (30, 110, 170), (10, 60, 120), (240, 250, 255)),
        ("a coral reef", "the tide pools", "long waves", "a kelp forest", "a sailing dinghy"),
        ("read the tide", "surf a beach break", "snorkel safely", "trim a sail"),
        ("the north coast", "a quiet lagoon", "the harbour mouth", "an island bay"),
        ("I fell asleep to this.", "The water is so clear.", "Where is that bay?"),
    ),
    Topic(
        "storms",
        "Weather",
        "outdoors",
        ((34, 40, 52), (70, 80, 98), (130, 150, 175), (250, 250, 210)),
        ("a supercell", "heavy rain", "a lightning front", "a hail storm", "rolling thunder"),
        ("photograph lightning", "read a radar map", "pitch a tent in rain", "spot a shelf cloud"),
        ("the open plains", "a tin roof", "the lighthouse", "a mountain pass"),
        ("That thunder at the end!", "Stay safe out there.", "Rain on the roof is the best."),
    ),
    Topic(
        "football",
        "Sports",
        "outdoors",
        ((40, 120, 50), (56, 146, 66), (245, 245, 245), (220, 40, 40)),
        ("a late winner", "the penalty shoot-out", "a five-a-side final", "the perfect volley"),
        ("bend a free kick", "defend a corner", "train first touch", "take a penalty"),
        ("the village pitch", "the derby", "a rainy cup night", "the training ground"),
        ("What a strike!", "That was offside.", "Showing this to my team."),
    ),
    Topic(
        "space",
        "Science",
        "mind",
        ((6, 6, 20), (40, 30, 90), (150, 130, 220), (255, 250, 230)),
        ("the Orion nebula", "Saturn's rings", "a comet's tail", "the dark side of the Moon"),
        ("find Andromeda", "align a telescope", "photograph the Milky Way", "track a satellite"),
        ("a desert observatory", "low Earth orbit", "my rooftop", "the radio array"),
        ("We are so small.", "Which telescope is this?", "More about comets please."),
    ),
    Topic(
        "maths",
        "Education",
        "mind",
        ((245, 245, 238), (190, 205, 225), (30, 60, 150), (220, 60, 60)),
        ("Euler's identity", "prime spirals", "Bayes' rule", "the Fourier series", "a fractal"),
        ("complete the square", "draw a Lissajous curve", "sum a series", "prove it by induction"),
        ("one blackboard", "four pages", "a napkin", "the back of an envelope"),
        ("Finally I get it.", "Why did school never show this?", "Proof by beauty."),
    ),
    Topic(
        "chess",
        "Board Games",
        "mind",
        ((238, 220, 184), (120, 80, 50), (30, 24, 20), (200, 160, 60)),
        (
            "the King's Gambit",
            "a rook endgame",
            "the Sicilian",
            "a queen sacrifice",
            "a blitz game",
        ),
        ("castle at the right time", "win a pawn ending", "set a trap", "think two moves ahead"),
        ("the park tables", "the candidates final", "a club night", "the last round"),
        ("I never saw that knight.", "Bishop takes was better!", "Subscribed for endgames."),
    ),
    Topic(
        "dance",
        "Music",
        "rhythm",
        ((20, 10, 34), (230, 40, 140), (40, 220, 220), (250, 230, 60)),
        ("a house set", "the warehouse mix", "a drum machine jam", "the Friday playlist"),
        ("mix two tracks", "programme a beat", "learn the shuffle", "drop the bass"),
        ("the basement club", "a rooftop at sunrise", "the main stage", "my bedroom studio"),
        ("That drop at the end.", "ID of the second track?", "On repeat all week."),
    ),
    Topic(
        "piano",
        "Music",
        "rhythm",
        ((24, 24, 30), (240, 240, 235), (90, 150, 230), (240, 180, 90)),
        ("a nocturne", "the slow prelude", "a ragtime tune", "left-hand chords", "a waltz"),
        ("play an arpeggio", "practise scales", "pedal cleanly", "read two staves"),
        ("an empty hall", "the conservatory", "a station piano", "a winter evening"),
        ("Goosebumps.", "Sheet music please?", "My teacher plays it faster."),
    ),
    Topic(
        "arcade",
        "Gaming",
        "rhythm",
        ((10, 12, 20), (60, 200, 90), (240, 80, 60), (250, 240, 90)),
        ("a pixel shooter", "level nine", "the hidden boss", "a cellular automaton", "co-op mode"),
        ("beat the last boss", "speedrun level one", "restore a cartridge", "grow a glider gun"),
        ("the arcade hall", "an old handheld", "the bonus stage", "the world record run"),
        ("The soundtrack lives in my head.", "New record?", "I lost my childhood to this."),
    ),
)

TOPIC_NAMES = tuple(topic.name for topic in TOPICS)
