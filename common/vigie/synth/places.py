"""Where and in what trade made-up companies work: real communes and activity codes, in about their real shares."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Place:
    """A commune; ``urssaf`` is the three digits with which accounts of its Urssaf begin, ``weight`` its share."""

    commune: str
    postcode: str
    name: str
    department: str
    region: str
    urssaf: str
    longitude: str
    latitude: str
    weight: float


_ROWS: Final = """
75108 75008 PARIS 75 ILE-DE-FRANCE 117 2.3125 48.8727 12
92026 92400 COURBEVOIE 92 ILE-DE-FRANCE 117 2.2561 48.8967 7
93066 93200 SAINT-DENIS 93 ILE-DE-FRANCE 117 2.3544 48.9362 5
77288 77000 MELUN 77 ILE-DE-FRANCE 117 2.6608 48.5397 3
69123 69003 LYON 69 AUVERGNE-RHONE-ALPES 827 4.8357 45.7640 6
38185 38000 GRENOBLE 38 AUVERGNE-RHONE-ALPES 827 5.7243 45.1885 4
63113 63000 CLERMONT-FERRAND 63 AUVERGNE-RHONE-ALPES 827 3.0870 45.7772 2
13055 13001 MARSEILLE 13 PROVENCE-ALPES-COTE-D'AZUR 937 5.3698 43.2965 5
06088 06000 NICE 06 PROVENCE-ALPES-COTE-D'AZUR 937 7.2620 43.7102 3
59350 59000 LILLE 59 HAUTS-DE-FRANCE 317 3.0573 50.6292 6
80021 80000 AMIENS 80 HAUTS-DE-FRANCE 227 2.2957 49.8941 2
31555 31000 TOULOUSE 31 OCCITANIE 737 1.4442 43.6047 4
34172 34000 MONTPELLIER 34 OCCITANIE 917 3.8767 43.6108 3
33063 33000 BORDEAUX 33 NOUVELLE-AQUITAINE 727 -0.5792 44.8378 4
87085 87000 LIMOGES 87 NOUVELLE-AQUITAINE 747 1.2611 45.8336 2
44109 44000 NANTES 44 PAYS-DE-LA-LOIRE 527 -1.5536 47.2184 4
49007 49000 ANGERS 49 PAYS-DE-LA-LOIRE 527 -0.5632 47.4784 2
35238 35000 RENNES 35 BRETAGNE 537 -1.6778 48.1173 4
29232 29000 QUIMPER 29 BRETAGNE 537 -4.1024 47.9960 2
67482 67000 STRASBOURG 67 GRAND-EST 427 7.7521 48.5734 3
51454 51100 REIMS 51 GRAND-EST 217 4.0317 49.2583 2
76540 76000 ROUEN 76 NORMANDIE 237 1.0993 49.4432 3
14118 14000 CAEN 14 NORMANDIE 257 -0.3707 49.1829 2
45234 45000 ORLEANS 45 CENTRE-VAL-DE-LOIRE 247 1.9093 47.9030 3
21231 21000 DIJON 21 BOURGOGNE-FRANCHE-COMTE 267 5.0415 47.3220 2
25056 25000 BESANCON 25 BOURGOGNE-FRANCHE-COMTE 437 6.0241 47.2378 2
2A004 20000 AJACCIO 2A CORSE 940 8.7369 41.9192 0.5
2B033 20200 BASTIA 2B CORSE 940 9.4500 42.7028 0.5
97105 97100 BASSE-TERRE 971 GUADELOUPE 971 -61.7261 15.9971 1
97411 97400 SAINT-DENIS 974 LA-REUNION 974 55.4504 -20.8789 1
"""


def _places() -> tuple[Place, ...]:
    rows = [line.split() for line in _ROWS.strip().splitlines()]
    total = sum(float(row[-1]) for row in rows)
    return tuple(
        Place(commune, postcode, name, department, region, urssaf, longitude, latitude, float(weight) / total)
        for commune, postcode, name, department, region, urssaf, longitude, latitude, weight in rows
    )


PLACES: Final = _places()

NAF: Final[tuple[str, ...]] = (
    "10.71C", "10.13A", "11.02A",
    "25.62B", "25.11Z", "22.29A",
    "41.20A", "41.20B", "41.10A",
    "43.21A", "43.22B", "43.34Z",
    "46.69B", "46.31Z", "46.73A",
    "47.11F", "47.52B", "47.71Z",
    "49.41A", "49.41B", "52.29A",
    "55.10Z", "56.10A", "56.10C",
    "62.02A", "62.01Z", "63.11Z",
    "70.22Z", "71.12B", "69.20Z",
    "81.21Z", "80.10Z", "82.99Z",
    "86.10Z", "87.10A", "88.10A",
)  # fmt: skip
"""Three activity codes for each of the twelve sectors of the made-up economy, sector by sector."""

NAF_SECTORS: Final[tuple[str, ...]] = (
    "02 Industrie", "02 Industrie", "03 Construction", "03 Construction", "04 Commerce de gros", "05 Commerce de détail",
    "06 Transports (Hors TRM)", "07 Hébergement et restauration", "08 Information et communication",
    "09 Services aux entreprises", "09 Services aux entreprises", "10 Santé et action sociale",
)  # fmt: skip
"""``SECTEUR`` of the Banque de France for each sector."""

LEGAL_FORMS: Final[tuple[tuple[str, float], ...]] = (
    ("5710", 0.46), ("5499", 0.36), ("5599", 0.08), ("5498", 0.04), ("9220", 0.03), ("1000", 0.03),
)  # fmt: skip
"""Legal categories and their shares: SAS, SARL, SA, EURL, association, sole trader."""

FIRST_NAMES: Final = ("CAMILLE", "DOMINIQUE", "CLAUDE", "MAXIME", "ALIX", "SACHA", "ANDREA", "CHARLIE")
LAST_NAMES: Final = ("EXEMPLE", "FICTIF", "MODELE", "SPECIMEN", "FACTICE", "INVENTE", "IMAGINAIRE", "SUPPOSE")
"""Of sole traders; nobody is called so."""
