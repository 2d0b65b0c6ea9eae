"""Words that are given names as well: what a capital says of them depends on the sentence."""

from __future__ import annotations

# Names that many people have. Within a sentence a capital makes them a name; at its start it does
# not: "with Rose" and "Rose early".
ALSO_NAMES = frozenset(
    """
al alma amber angel archer art aurora basil bea bess bill blaze bob brook brooke buck candy carol
carter chance charity chase cherry chuck clay clementine cliff colt constance cooper crystal curt
daisy dale dawn dean della destiny dick dixie dolly don dot drew ed edit eve faith felicity fern
flint flora forest frank garret gene ginger glen grace grant guy hale harley harmony harper haven
hazel heath hector herb holly hope hunter iris ivy jack jade jasmine jasper jay jean jewel joy kit
kitty lacy lance lark laurel lee lily lucky luna lyric mac madge margarita marguerite marina mark
marlin marly mason mat max maya melody mercy merle mick miles morgan myrtle nelly nova olive pansy
parker pat patience pearl penny petra pierce piper poppy porter prudence quincy rae ray reed rhea
rich river rob robin rocky ron rose rosemary rowan ruby rusty sage sandy sherry sky sonny star sue
sunny tanner taylor trinity ty valentine veronica vic victor viola violet virgil wade warren will
willow woody
""".split()
)

# Somewhere these are names too, but here nearly always words, places, months, peoples, brands or
# relatives. Only a sentence that says so makes them a name: "Aunt May", "my friend Paris".
SELDOM_NAMES = frozenset(
    """
ab aba abb abbey abigail ace ada add adelaide adele admiral adonis aggie agron ah aime ala alabama
alba albino albion ale alexa alexandria alexia aline aliya aliyah alli ally almond alpha alto
alyssa ama amandine america ami amie amine amir amma among amrita an ana anas ane angeles angelic
angelica ani anis annabelle annas anon ante ants apollo april ara arch arent ares aria ariel
arietta arizona arlington armani arvo ashton asia aspen astride athena atlanta atlas aud august
aura aurelia austin author autumn avi avon azalea baba babe baby bailee bailey bailie baker bale
bali bama banks baptist barb barbie barney baron barton basel bassi bayard beat beau bee bell
belle benedict benny bent bentley berg berlin berry bertha beryl beta bethany bethel beverly
beyonce bibi bird birdie bishop bitten blain blanch blessing bliss blossom bo bode boga bogey
bonny borg boss boston bowman bradford brain branch brandy brant bree brent briana bristol
brittany brogan brooklyn brooks brown bryony bud buddy buffy bunk burgess burke burl burley burns
burr burton bush buster butch butler caddie cade cadence cager cal cali calla cam camden campo can
canal candela candelas candida cannon canyon cap caprice captain carina carlisle carmel carmine
carolina caroline carry carson case cash ceil celesta celeste cesar chad champ chancy chandler
chanel charlotte chastity chelsea cherish chester chi chimere chin china chip christ christen
christian christy cicely cicero cinnamon clarence claus cleave clem clement cleveland clifton
coley colleen collie collier collins colon colonel colter columbia columbus comfort commodore con
concha conn constant coral cord cornel corona corrie council coy creed crete crista cuba dace dag
dakota dallas dalton damar danielle danish dann daphne darling darwin davon dayton deacon deb
deforest deja del dell delta denny denver derrick dev devon dexter diamond diary dickie dieter
dimple dink dirk divan doc dock doctor dodo doll dom dona doss dotty dove dow dozier drake dries
duff duke duma dusty earl early earnest easter ebb ebony echo edd eden eider einer el elba elder
eldora elex ell els else elver elvis ely ember emerald emery emir emit emmer emmet emmy engin era
erasmus erie ermine esker essence essex ester eta ether ethyl etna ever evert ey fairy fancy fanny
fares fate fawn fed feline fella fem ferny fielding finis finna fisher fleet floor flor florence
florida florin ford forum foster fount franc france freeman french friend fuller gaby gage gal
gala gale garibaldi garland garner garnet garrison garth gasper gauge gay gee gemma general
genesis geneva genie georgia german ghazi gilbert gillie gladstone glover golden gorge governor
graham graves gray grayling green greet greta griffin grit gro grove guadalupe gumma gun gunnel
gunner gunter gurney gussie gust hafiz hakim halbert hall ham hamilton hamza handy hansel harden
hardy harl harm harsh hart hays hayward heaven helena hella hemal hence henna hill hilton hind
hobart hoke holden holland homer hoover horst houston hoy hung hunt hurley hymen hà ib icy ima
imam immaculate imo ina india indiana indie infant ing innocent ion iona ireland irl isis israel
ivory jackson jacobus jail jan january jarl jarred jesus jet jo joannes job johannes joke jordan
journey judah judge julienne june junior justice juul juvenal kaiser kale kali kamala kami kanye
karma kauri kaya kelvin ken kent kenya kesha kia kick kiel kike king kingston kip kirby lada
laddie lady lafayette lala lambert lander lane lassie lavender lawyer lazar laze le lea leafy lean
leaner lemma lemon leone leslie less leva levin levis levy lex lexis lexus li liana liberty lien
lies lilo lincoln linden lindy line link linn lino lis lisle little lo loan lode logan loki lolla
london lone long loot lope loran lore loris lorraine lot lota lotta louisiana lourdes love lovey
loyal lu lucca luce ludo luigi lulu luster lute macarena mace mack macs macy mad madden made
madison madonna mads magdalen magnolia major makuta mal malaya male malik man manila manilla manly
manning mantas mar mara maras marc marcel mare margarite marin marine marques marquis marquise
marry mars marsh marshal mart marten martial marvel mate math mats matts maverick mavis maxi maxim
maxima maxwell may mayo meadow media mel melbourne melton memphis mentor mercedes mercer merlin
merrily merry messiah meta metro mickey mignon mihrab milan mile mills milo milos milton mina
miner minor miracle missouri missy mist misty moa modena modesto mollie montana monte moody mora
moreen moses muslim my myles nacho nadir nae nail nan nana nanna napoleon narcissus nazi neo
nevada newt newton nil nim ninja noble noel noma north novella nurser octave odd odessa odin oke
ola olivine olympia om oma omar omer opal ora oral orange orlando orris ova owe page paige paisley
pam pandora paris park parley pascal paschal pastor pate patsy pattie patty paw peace pearly peer
penni pepper per peris petter philippine phoenix pier piet pili pink pinkie pleas pleasant pol
porsche precious prentice press preston price primus prince princess prosper puck purity purl qadi
queen quint raid raleigh ramadan rance rand rani ransom raven reason red redden regina rein reno
ria rica rice richmond rickey ridge rihanna rim rishi roan roar robbin rock rod roe roll rollin
romaine roman rome roque rosette rosy royal royce rube rudolph rune rush rut ruth sabin sable
sabra sad safari saga said saint sal salami salina sander sanders santa santiago sari savanna
savannah sawyer sayin scarlet scot selah sem senna senora sep sera serenity serge serine server
sever shad shade shan shay shepherd sibyl sie siena sienna sierra silva silvan silver sim sima
sincere sine sing siri sister skip skye smith sofia sol sole solon son sonata spencer spring
squire stafford stan stanford starling stein stela sterling stetson steward stone stonewall stoney
storm stormy summer sunday sunshine sydney sylvan sys ta tab tad tala tali talon tammy tan tana
tawny te tea telly tennessee terra texas theres theta thi thor thos tiara ties til tilde till tine
tiny titi tod tola toms tone toon tor tora tore tori tory toy trace treasure trenton trey tri
trilby trine troy true tui turner tutu tú udo undine uni unique unknown unnamed urban urs us val
valencia valid valves van vanda vara veer vela velvet vena venice venus vernal verona versa vesta
vi victoria victory vid vide vigo viking villa villi vina vino virginia viva von vũ wadi wage
waldo walker ward wash washington watt weaver wellington wells wes west wheeler whit whitley
wilder willy windy wing winter wm wolf wolfram wood worth xena xenia yaw yoga york young zach
zaire zed zelda zeta zion zoa ás ír úa ýr
""".split()
)
