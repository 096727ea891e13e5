"""The table of questions: what each looks like once normalised, and who answers it. The first match wins."""

from collections.abc import Callable
from typing import TypeAlias

from sensorium.answers import details, history, search, sight, talk
from sensorium.answers.asked import Answer, Asked

Handler: TypeAlias = Callable[[Asked], Answer]

_X = r"(?P<noun>\w+(?: \w+){0,4}?)"  # what a question is about: up to five words, as few as fit
# Where it is asked for, which the answer tells anyway.
_AT = (
    r"(?: (?:in|on|at|around|near|over|out|inside|from|with|under|behind) .+"
    r"| here| there| around| nearby| visible| yet)?"
)
_SEE = r"(?:see|seeing|seen|saw|spot|notice|recogni[sz]e|detect|look at|looking at|find|make out|view|observe)"
_YOU = r"(?:do|can|could|did|are|have|will) (?:you|we|i) (?:still |also |even |ever |just )?"
_VERB = r"(?:is|are|was|were|do|did|can|could|have|you)"
_SEEN = r"(?:is|are|do you see|can you see|things are)"
_SIDE = r"(?P<noun>left|right|top|bottom|middle|centre|center)"
_PLACE = r"(?:there|here|visible|in|on|before|around|out|outside|ahead|behind|shown|showing|you see|the camera)"
_COLOUR = r"(?P<other>red|orange|yellow|green|blue|purple|violet|pink|brown|black|white|grey|beige|cyan)"
_SENSOR = r"(?:camera|microphone|sensor|sense|picture|sound)s?"
_STATE = r"(?:on|off|ok|okay|fine|working|work|there|connected|broken|covered|dark|frozen|muted|alive)"
_CHANGED = r"(?:happened|happen|happening|changed|change|new|different)"

QUESTIONS: tuple[tuple[Handler, tuple[str, ...]], ...] = (
    (talk.unheard, (
        r"",
    )),
    (talk.stop, (
        r"stop(?: it| that| talking| speaking)?",
        r"be quiet|quiet|shut up|silence|enough|hush|never ?mind|cancel",
    )),
    (talk.hello, (
        r"(?:hello|hi|hey|good (?:morning|afternoon|evening|day)|greetings)(?: there| you| sensorium"
            r"| robot)?",
    )),
    (talk.thanks, (
        r"(?:thank you|thanks|thank|cheers)(?: .*)?",
        r"(?:great|good|nice|perfect|well done|good job)",
    )),
    (talk.goodbye, (
        r"(?:goodbye|good bye|bye|bye bye|good night|see you|see you (?:later|soon|tomorrow))",
    )),
    (talk.who_are_you, (
        r"who are you|what are you|what is your name|who am i talking to|introduce yourself",
        r"what are you called",
    )),
    (talk.help_, (
        r"help|help me|what (?:can|do) you do",
        r"what (?:can|may|should|could) i (?:ask|say)(?: you)?|how do you work",
    )),
    (talk.time, (
        r"what time is it|what is the time|what the time is|what time it is|(?:the )?time",
    )),
    (talk.day, (
        r"what (?:day|date) is it|what is the (?:day|date)|(?:what day|what date) it is",
        r"what is (?:today|todays date)|the date",
        r"what (?:day|date) is today|which day is it|what day of the week is it",
    )),
    (history.what_user_said, (
        r"what (?:did|have|do) i (?:just |last )?(?:say|said|ask|asked)(?: .*)?",
        r"repeat what i said",
        r"what was my (?:last )?question|what i (?:just )?said",
    )),
    (history.what_i_said, (
        r"what (?:did|have|do) you (?:just )?(?:say|said|answer|answered|tell me)(?: .*)?",
        r"pardon|sorry|come again|again|what",
        r"(?:can you |could you )?(?:repeat|say)(?: (?:that|it|this|yourself|your answer))?(?: (?:again"
            r"|once more))?",
    )),
    # The senses.
    (talk.senses, (
        r"(?:how are|how is|check|what about) (?:you|your (?:senses|sensors|health|eyes|ears|sight"
            r"|hearing))(?: doing)?",
        r"are you (?:still )?(?:there|here|ok|okay|all right|alright|listening|awake|working|alive"
            r"|online|on|ready)",
        r"what (?:senses|sensors|modalities) (?:do|can|are) .+|which (?:senses|sensors) .+",
        r"status|what is your status",
        rf"(?:is|are|does) (?:the |your )?{_SENSOR}(?: and .+)? {_STATE}",
        rf"(?:what is (?:wrong|the matter|the problem)|why|since when|how long)\b.* (?:see|hear|blind"
            rf"|deaf|{_SENSOR})\b.*",
        r"what is wrong|are you (?:blind|deaf)",
        r"can you (?:still )?(?:see (?:and|or) hear|hear (?:and|or) see)(?: me| us| anything| something)?",
    )),
    (talk.can_you_hear, (
        r"(?:can|do) you (?:still )?(?:hear|listen to|understand)(?: me| us| my voice| anything i say)?"
            r"(?: well| clearly)?",
        r"do you hear|did you hear me",
    )),
    (sight.sees_me, (
        r"(?:can|do|could) you (?:still )?see (?:me|us|my face)|(?:do you know )?who i am",
        r"am i (?:visible|there|here|in .+)",
    )),
    (talk.can_you_see, (
        r"(?:can|do|could) you (?:still )?(?:see|look)(?: again| at all| well)?",
        r"are you (?:seeing|watching|looking)",
    )),
    (sight.see_and_hear, (
        r"what (?:can|do|did) you (?:see|hear|sense|perceive|notice) (?:and|or) (?:see|hear|feel)",
        r"what (?:can|do) you (?:sense|perceive|notice)",
    )),
    # What happened.
    (history.what_was_missed, (
        r"what (?:did|have) (?:i|we|you) miss(?:ed)?(?: .*)?|did i miss (?:anything|something)",
    )),
    (history.what_happened, (
        rf"what (?:has |have |is |just |was )*(?:{_CHANGED}|going on|up)(?: .*)?",
        rf"(?:has|did|is) (?:anything|something) {_CHANGED}(?: .*)?",
        r"any (?:news|changes?)",
    )),
    (history.when, (
        r"when (?:did|was|has|have) (?P<noun>.+)",
    )),
    # What is heard.
    (history.what_heard, (
        r"what (?:did|do|can|have|are|could) you (?:just |still |been )?(?:hear|heard|hearing"
            r"|listening to)(?: .*)?",
        r"what you (?:hear|heard|can hear)",
        r"what (?:is|was|were|are) (?:that|this|the|those|these) (?:strange |loud |last )?(?:sounds?"
            r"|noises?)(?: .*)?",
        r"(?:what|which) (?:sounds?|noises?)(?: .*)?",
        r"(?:did|do|can) you hear (?:anything|something|that|this|it|any sounds?|any noises?)(?: .*)?",
    )),
    (history.did_hear, (
        r"(?:did|do|can|could|have) you (?:just )?(?:hear|heard) (?P<noun>.+)",
        r"(?:was|is) there (?:a |any )?(?:sound|noise) of (?P<noun>.+)",
        r"is it (?P<noun>raining|thundering|windy)",
    )),
    # What is looked for.
    (search.looked_for, (
        r"(?:did|have) you (?:find|found|spot|spotted)(?: (?P<noun>.+?))?(?: yet)?",
        r"(?:is there )?any (?:sign|signs|trace) of (?P<noun>.+)",
    )),
    (talk.found, (
        r"(?P<noun>it|anything|found it|found anything) (?:found|yet)",
        r"found (?P<noun>it|anything|something)",
        r"what are you (?:looking|searching) for",
    )),
    # What is seen.
    (details.count, (
        rf"(?:how (?:many|much)|count(?: up)?|what is the number of) (?:of )?(?:the |all )?{_X}(?:"
            rf" {_VERB} .*| there)?{_AT}",
    )),
    (details.where, (
        rf"(?:where|whereabouts) {_VERB} (?:(?:you|i) (?:see|find) )?{_X}{_AT}",
        rf"where {_X} (?:is|are)",
        rf"(?:find|locate|look for|search for|point to|show me|where) {_X}{_AT}",
    )),
    (details.colour, (
        r"(?:what|which) colour(?: (?:is|are|was) (?:it|this|that|these|those))?",
        rf"(?:what|which) colour (?:is|are|of|was|does) {_X}(?: have)?{_AT}",
        rf"(?:what is )?the colour of {_X}{_AT}",
        rf"what colour {_X} (?:is|are|has)",
        rf"what is {_X} colour",
    )),
    (details.has_colour, (
        rf"(?:is|are) (?:the|this|that|my|your|these|those) {_X} {_COLOUR}",
    )),
    (sight.who, (
        r"who (?:else )?(?:is|are|was|do you see|can you see|did you see)",
        r"who (?:else )?(?:is|are|was) (?:it|this|that|there|here|around|in|on|at|near|with|before"
            r"|outside|visible)(?: .*)?",
        r"who (?:else )?(?:do|can|did) you (?:see|notice|spot)(?: .*)?",
    )),
    (details.at_place, (
        rf"what {_SEEN} (?:there )?(?:on|at|in|to) (?:the|your|my) {_SIDE}(?: .*)?",
    )),
    (details.beside, (
        rf"(?:what|who) {_SEEN} (?:next to|near|beside|by|close to) {_X}",
    )),
    (details.doing, (
        rf"what (?:is|are) {_X} doing{_AT}",
    )),
    (sight.what_is_this, (
        r"what (?:is|was|are) (?:this|that|these|those|it|they)(?: thing| things| object| called| here"
            r"| there)*",
        r"what (?:am i|are we) (?:holding|showing|pointing)(?: .*)?",
        r"what (?:is|do i have) in my hands?|(?:recogni[sz]e|identify|name) (?:this|that|it)",
        r"what this is|what that is|what it is|what (?:kind|sort|type|breed) of .+",
        r"guess what .+",
    )),
    (sight.describe, (
        rf"what (?:else |all |exactly |things |objects? )?{_YOU}{_SEE}(?: .*)?",
        r"what you (?:can )?see(?: .*)?|what (?:is|are) (?:you )?seeing",
        rf"what (?:else )?(?:is|are|was) {_PLACE}(?: .*)?",
        r"what (?:does )?(?:the |your )?(?:camera|picture|image|scene|it|this) (?:shows?|sees?"
            r"|looks? like)(?: .*)?",
        r"(?:can you |could you )?(?:describe|look)(?: .*)?|see",
        r"(?:your |the )?(?:surroundings|view|scene|picture|room)",
    )),
    (search.did_see, (
        rf"(?:did|have) you (?:ever |just )?{_SEE} {_X}(?: before| earlier| ago| lately)?{_AT}",
    )),
    (sight.is_there, (
        rf"(?:is|are|was|were) there {_X}{_AT}",
        rf"(?:is|are) {_X} (?:there|here|visible|around|present|in .+|on .+)",
        rf"there is {_X}",
        rf"{_YOU}{_SEE} {_X}{_AT}",
        rf"you see {_X}{_AT}",
        rf"(?:any|what about|how about|and) {_X}{_AT}",
        rf"(?:is|are) (?:this|that|it|those|these|they) (?:a|an|the|my|your|any) {_X}",
    )),
)  # fmt: skip
