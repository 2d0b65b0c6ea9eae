"""Words that are given names as well: what a capital says of them depends on the sentence."""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """Make a set of the words of a text."""
    return frozenset(text.split())


# Names that many people have. Within a sentence a capital makes them a name; at its start it does
# not: "with Rose" and "Rose early".
ALSO_NAMES = words(
    """
al alba alma amber ana angel angelica archer aria ariel aura aurora basil bea beau bess bill blaze
bob brandy brook brooke buck candy carol carter chance charity chase cherry chuck clay clementine
cliff colt constance cooper crystal curt daisy dakota dale dawn dean della dixie dolly don drew
ebony ed faith felicity fern flint flora forest frank garret gene ginger glen grace grant hale
harley harmony harper haven hazel heath hector herb holly hope hunter ina iona iris ivy jack jade
jan jasmine jasper jay jean jewel jo joy ken kirby kit kitty lacy lance lark laurel lea lee lily
lucky luigi luna lyric madge margarita marguerite marina mark marlin marly mason mat max maya
melody mercy merle mick miles misty morgan myrtle nelly noel nova olive pansy parker pat patience
pearl penny petra pierce piper poppy porter preston prudence quincy rae raven ray reed rhea rich
river rob robin rocky ron rose rosemary rowan ruby rusty sage sandy sherry sierra skye sonny sue
sunny tanner taylor trinity ty valentine veronica vic victor viola violet virgil wade warren will
willow woody
"""
)

# Towns and countries that people are called after: names, but not behind "in" or "from".
ALSO_PLACES = words(
    """
austin beverly charlotte helena jackson jordan lorraine madison savannah sofia sydney victoria
"""
)

# Somewhere these are names too, but here nearly always words, places, months, peoples, brands or
# relatives. Only a sentence that says so makes them a name: "Aunt May", "my friend Paris".
SELDOM_NAMES = words(
    """
ab aba abb abbey ace add adelaide admiral adonis aggie agron ah aime ala alabama alberta albino
albion ale alexa alexandria aline aliya aliyah alli ally almond alpha alto ama amandine america
ami amine amma among amrita an anas ane angeles angelic ani anis annas anon ante ants apollo april
ara arch arent ares arietta arizona arlington armani art arvo asia aspen astride athena atlanta
atlas aud august author autumn avi avon azalea baba babe baby bailee baker bale bali bama banks
baptist barb barbie barney baron barton basel bassi bayard beat bee bell belle bent bentley berg
berlin berry beryl beta bethel beyonce bibi bible bird birdie bishop bitten blain blanch blessing
bliss blossom bo bode boga bogey bonny borg boss boston bowman bradford brain branch brant bree
bristol brogan brooklyn brooks brown bud buddy buffy bunk burgess burke burl burley burns burr
burton bush buster butch butler caddie cade cadence cager cal cali calla cam camden campo can
canal candela candelas candida cannon canyon cap caprice captain carlisle carmel carmine carolina
carry carson case cash ceil celesta celeste chad champ chancy chandler chanel chastity chelsea
cherish chester chi chimere chin china chip christ christen christian cicely cicero cinnamon claus
cleave clem cleveland clifton coley collie collier collins colon colonel colter columbia columbus
comfort commodore con concha constant coral cord corona council coy creed crete crista cuba dace
dag dallas dalton damar danish dann darling darwin davon dayton deacon deb deforest deja del dell
delta denny denver destiny dev devon dexter diamond diary dick dickie dimple dink divan doc dock
doctor dodo doll dom dona doss dot dotty dove dow dozier drake dries duff duke duma dusty earl
early earnest easter ebb echo edd eden edit eider einer el elba elder eldora elex ell els else
elver elvis ely ember emerald emery emir emit emmer emmy engin era erasmus erie ermine esker
essence essex eta ether ethyl etna eve ever evert ey fairy fancy fanny far fares fate fawn fed
feline fella fem ferny fielding finis finna fisher fleet floor flor florence florida florin ford
forum foster fount franc france freeman french friend fuller gaby gage gal gala gale garibaldi
garland garner garnet garrison garth gasper gauge gay gee general genesis geneva genie georgia
german ghazi gillie gladstone glover golden gorge governor graves gray grayling green greet
griffin grit gro grove guadalupe gumma gun gunnel gunner gunter gurney gussie gust guy hafiz hakim
halbert hall ham hamilton handy hansel harden hardy harl harm harsh hart hays hayward heaven hella
hemal hence henna hill hilton hind hobart hoke holden holland homer hoover horst houston hoy hung
hunt hurley hymen hà ib icy ima imam immaculate imo india indiana indie infant ing innocent ion
ireland irl isis israel ivory jacobus jail jan january jarl jarred jesus jet joannes job joke
journey judah judge julienne june junior justice juul juvenal kaiser kale kali kamala kami kanye
karma kauri kaya kent kenya kesha kia kick kiel kike king kingston kip lada laddie lady lafayette
lala lander lane lassie lavender lawyer lazar laze le leafy lean leaner lemma lemon leone less
leva levin levis levy lex lexis lexus li liberty lien lies lilo lincoln linden lindy line link
linn lino lis lisle little lo loan lode loki lolla london lone long loot lope loran lore loris lot
lota lotta louisiana love lovey loyal lu lucca luce ludo lulu luster lute mac macarena mace mack
macs macy mad madden made madonna mads magdalen magnolia major makuta mal malaya male man manila
manilla manly manning mantas mar maras mare margarite marin marine marques marquis marquise marry
mars marsh marshal mart marten martial marvel mate math mats matts maverick mavis maxi maxim
maxima may mayo meadow media mel melbourne melton memphis mentor mercedes mercer merlin merrily
merry messiah meta metro mickey mignon mihrab milan mile mills milos milton miner minor miracle
missouri missy mist moa modena modesto montana monte moody mora moreen moses muslim my nacho nadir
nae nail nair nan nana nanna napoleon narcissus nazi neo nevada newt newton nil nim ninja noble
noma north novella nurser octave odd odessa odin oke ola olivine olympia om oma omer opal ora oral
orange orlando orris ova owe page paisley pandora paris park parley paschal pastor pate patsy
pattie patty paw peace pearly peer penni pepper per peris petter philippine phoenix pier piet pili
pink pinkie pleas pleasant pol porsche precious prentice press price primus prince princess
prosper puck purity purl qadi queen quint raid raleigh ramadan rance rand rani ransom reason red
redden regina rein reno ria rica rice richmond ridge rihanna rim rishi roan roar robbin rock rod
roe roll rollin romaine roman rome roque rosette rosy royal royce rube rudolph rune rush rut sabin
sable sabra sad safari saga said saint sal salami salina sander sanders santa santiago sari
savanna sawyer sayin scarlet scot selah sem senna senora sep sera serenity serine server sever
shad shade shan shepherd sibyl sie siena silva silvan silver sim sima sincere sine sing singapore
siri sister skip sky smith sol sole solon son sonata spring squire stafford stanford star starling
stein stela sterling stetson steward stone stonewall stoney storm stormy summer sunday sunshine
sylvan sys ta tab tad tala tali talon tan tana tawny te tea telly tennessee terra texas theres
theta thi thor thos tiara ties til tilde till tine tiny titi tod tola toms tone toon tor tora tore
tory toy trace treasure trenton trey tri trilby trine troy true tui turner tutu tú udo undine uni
unique unknown unnamed urban urs us val valencia valid valves van vanda vara veer vela velvet vena
venice venus vernal verona versa vesta vi victory vid vide vigo viking villa villi vina vino
virginia viva von vũ wadi wage waldo walker ward wash washington watt weaver wellington wells wes
west wheeler whit whitley wilder windy wing winter wm wolf wolfram wood worth xena yaw yoga york
young zaire zed zelda zeta zion zoa ás ír úa ýr
"""
)
