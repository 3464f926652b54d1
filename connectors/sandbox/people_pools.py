"""Words that the simulated population is made of: names, places, employers, titles, pages, mailings.

Everything here is invented; domains do not belong to the companies named (no mail is ever sent).
"""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """A country with the names people there have and the domain endings companies there use."""

    country: str
    state: str
    cities: tuple[str, ...]
    first: tuple[str, ...]
    last: tuple[str, ...]
    endings: tuple[str, ...]
    weight: int


PLACES = (
    Place(
        "United States",
        "CA",
        ("San Francisco", "Austin", "Denver", "Boston", "Portland"),
        ("Emily", "Marcus", "Danielle", "Kevin", "Latoya", "Brian", "Grace", "Tyler", "Monica", "Eric"),
        ("Whitfield", "Alvarez", "Johnson", "O'Connor", "Park", "Bennett", "Delgado", "Freeman", "Null"),
        (".com", ".io"),
        30,
    ),
    Place(
        "United Kingdom",
        "England",
        ("London", "Leeds", "Bristol"),
        ("Oliver", "Harriet", "Priya", "Callum", "Siobhan", "George", "Amelia"),
        ("Ashworth", "Patel", "MacLeod", "Hughes", "Fairbrother", "Osei"),
        (".co.uk", ".com"),
        14,
    ),
    Place(
        "Germany",
        "Bayern",
        ("München", "Berlin", "Köln", "Hamburg"),
        ("Jürgen", "Anneliese", "Björn", "Katrin", "Sören", "Zoë", "Mehmet"),
        ("Müller", "Weiß", "Schröder", "Yılmaz", "von der Heide", "Groß"),
        (".de", ".com"),
        14,
    ),
    Place(
        "France",
        "Île-de-France",
        ("Paris", "Lyon", "Nantes"),
        ("François", "Chloé", "Hélène", "Mathieu", "Anaïs"),
        ("Lefèvre", "Dubois", "N'Diaye", "Garçon", "Moreau"),
        (".fr", ".com"),
        9,
    ),
    Place(
        "Poland",
        "Mazowieckie",
        ("Warszawa", "Kraków", "Łódź"),
        ("Łukasz", "Małgorzata", "Zbigniew", "Żaneta"),
        ("Wójcik", "Kowalska", "Śliwiński", "Zając"),
        (".pl",),
        6,
    ),
    Place(
        "Spain",
        "Cataluña",
        ("Barcelona", "Madrid", "Valencia"),
        ("Íñigo", "Lucía", "Andrés", "Nuria"),
        ("Muñoz García", "Ibáñez", "Peña", "Castro"),
        (".es", ".com"),
        7,
    ),
    Place(
        "Japan",
        "東京都",
        ("東京", "大阪"),
        ("健太", "美咲", "翔", "陽子"),
        ("佐藤", "鈴木", "高橋", "田中"),
        (".co.jp",),
        6,
    ),
    Place(
        "India",
        "Karnataka",
        ("Bengaluru", "Pune", "Chennai"),
        ("Ananya", "Vikram", "Sanjay", "Meera", "Rahul"),
        ("Krishnamurthy", "Iyer", "Sharma", "Reddy", "Banerjee"),
        (".in", ".com"),
        8,
    ),
    Place(
        "Greece",
        "Αττική",
        ("Αθήνα", "Θεσσαλονίκη"),
        ("Γιώργος", "Ελένη", "Νίκος"),
        ("Παπαδόπουλος", "Γεωργίου", "Δημητρίου"),
        (".gr",),
        3,
    ),
    Place(
        "Israel",
        "Tel Aviv",
        ("Tel Aviv", "Haifa"),
        ("נועה", "יוסי", "Tamar", "Eitan"),
        ("כהן", "לוי", "Friedman"),
        (".co.il",),
        3,
    ),
)

ROMAN = {
    "健太": "kenta", "美咲": "misaki", "翔": "sho", "陽子": "yoko",
    "佐藤": "sato", "鈴木": "suzuki", "高橋": "takahashi", "田中": "tanaka",
    "Γιώργος": "giorgos", "Ελένη": "eleni", "Νίκος": "nikos",
    "Παπαδόπουλος": "papadopoulos", "Γεωργίου": "georgiou", "Δημητρίου": "dimitriou",
    "נועה": "noa", "יוסי": "yossi", "כהן": "cohen", "לוי": "levi",
}  # fmt: skip
"""How names in other scripts are spelt in addresses."""

COMPANY_FIRST = (
    "Bright", "Kettle", "Stone", "North", "Blue", "Silver", "Copper", "Harbor", "Maple", "Granite", "Falcon",
    "Juniper", "Cobalt", "Amber", "Willow", "Summit", "River", "Iron", "Cedar", "Lumen", "Quill", "Otter",
    "Saffron", "Tundra", "Vesper", "Wren", "Zephyr", "Orchid", "Pebble", "Raven",
)  # fmt: skip
COMPANY_SECOND = (
    "works", "field", "bridge", "gate", "line", "mark", "path", "point", "wright", "ford", "mill", "forge",
    "ridge", "crest", "loop", "stack", "lane", "port", "well", "dale",
)  # fmt: skip
COMPANY_KIND = (
    "Systems", "Logistics", "Analytics", "Health", "Foods", "Energy", "Media", "Robotics", "Finance",
    "Education", "Textiles", "Mobility", "Security", "Labs", "Interiors", "Software",
)  # fmt: skip
COMPANY_FORM = {
    "Germany": " GmbH", "United Kingdom": " Ltd", "France": " SAS", "Japan": " KK", "Spain": " S.L.",
    "Poland": " Sp. z o.o.", "India": " Pvt Ltd", "United States": ", Inc.", "Greece": " A.E.",
    "Israel": " Ltd",
}  # fmt: skip

INDUSTRIES = (
    ("Technology", "COMPUTER_SOFTWARE"),
    ("Transportation", "LOGISTICS_AND_SUPPLY_CHAIN"),
    ("Healthcare", "HOSPITAL_HEALTH_CARE"),
    ("Food & Beverage", "FOOD_PRODUCTION"),
    ("Energy", "OIL_ENERGY"),
    ("Media", "ONLINE_MEDIA"),
    ("Manufacturing", "MACHINERY"),
    ("Finance", "FINANCIAL_SERVICES"),
    ("Education", "HIGHER_EDUCATION"),
    ("Retail", "RETAIL"),
)
"""(Salesforce picklist value, HubSpot option value)."""

SCHOOLS = (
    ("Stanbridge University", "cs.stanbridge.edu", "United States"),
    ("Lakemoor College", "lakemoor.edu", "United States"),
    ("University of Harrowgate Moor", "student.harrowgatemoor.ac.uk", "United Kingdom"),
    ("Coastal Polytechnic", "coastalpoly.edu.au", "Australia"),
)
COMPETITORS = (
    ("Rivalsoft, Inc.", "rivalsoft-crm.com"),
    ("Leadgrinder GmbH", "leadgrinder.de"),
)
"""Employers that sell what we sell; a list `competitors` may name these domains."""

FREE_MAIL = ("gmail.com", "outlook.com", "yahoo.com", "gmx.de", "orange.fr")
DISPOSABLE = ("mailinator.com", "guerrillamail.com")

SENIOR_TITLES = (
    "Director of Marketing", "VP Sales", "Head of Demand Generation", "Chief Marketing Officer", "CTO",
    "Senior Director, Revenue Operations", "VP of Engineering", "Head of Sales", "CEO", "Managing Director",
    "Director of Operations", "Founder", "Co-Founder", "SVP Marketing", "Head of Growth", "COO",
    "Marketing Director", "Sales Director", "Chief Revenue Officer", "President",
)  # fmt: skip
OTHER_TITLES = (
    "Marketing Manager", "Sales Development Representative", "Software Engineer", "Product Owner",
    "Assistant to the Director", "Executive Assistant to the CEO", "Partner Manager", "Office Manager",
    "Business Analyst", "Campaign Specialist", "Customer Success Manager", "Data Engineer", "Buyer",
    "Associate Director", "Assistant Director", "HR Generalist", "Consultant", "marketing intern", "IT Admin",
    "Coordinator, Director's Office", "Sachbearbeiter Einkauf", "Chargée de communication", "営業担当", "-",
)  # fmt: skip

SITE = "https://www.lumenstack.com"
PAGES = (
    "/", "/product", "/product/integrations", "/blog/lead-routing", "/blog/what-is-an-mql", "/about",
    "/customers", "/docs/getting-started", "/blog/revops-metrics", "/contact",
)  # fmt: skip
PRICING_PAGES = ("/pricing", "/pricing?plan=team", "/pricing/", "/de/pricing", "/pricing#faq")
CAREERS_PAGES = ("/careers", "/careers/account-executive", "/careers/sre")


class Form(NamedTuple):
    """A HubSpot form: its key here, what it is called, what `formType` it has, and its page."""

    key: str
    name: str
    form_type: str
    page: str


FORMS = (
    Form("demo", "Request a demo", "hubspot", "/demo"),
    Form("demo_embed", "Demo request (pricing page)", "captured", "/pricing"),
    Form("trial", "Start your free trial", "hubspot", "/trial"),
    Form("newsletter", "Newsletter sign-up", "hubspot", "/blog"),
    Form(
        "case_kettle",
        "Case study: Kettlewright halves its response time",
        "hubspot",
        "/customers/kettlewright",
    ),
    Form(
        "case_tundra", "Case study: how Tundraport doubled its pipeline", "hubspot", "/customers/tundraport"
    ),
    Form("whitepaper", "Whitepaper: The state of lead scoring", "hubspot", "/resources/lead-scoring"),
    Form("webinar", "Webinar registration: Scoring without guesswork", "hubspot", "/webinars/scoring"),
    Form("unsubscribe", "Unsubscribe from e-mails", "hubspot", "/unsubscribe"),
    Form("contact", "Contact us", "hubspot", "/contact"),
    Form("flow", "Pop-up: talk to sales", "flow", "/"),
    Form("comments", "Blog comments", "blog_comment", "/blog"),
)


class SfCampaign(NamedTuple):
    """A Salesforce campaign: its key here, name, type, status."""

    key: str
    name: str
    type: str
    status: str


CAMPAIGNS = (
    SfCampaign("webinar_1", "Webinar: Scoring without guesswork", "Webinar", "Completed"),
    SfCampaign("webinar_2", "Webinar: Routing in minutes", "Webinar", "Completed"),
    SfCampaign("demo", "Demo requests (inbound)", "Other", "In Progress"),
    SfCampaign("trial", "Free trial starts", "Other", "In Progress"),
    SfCampaign("newsletter", "Newsletter subscribers", "Email", "In Progress"),
    SfCampaign("case", "Case study download: Kettlewright", "Other", "In Progress"),
    SfCampaign("fair", "RevOps fair, autumn", "Trade Show", "Completed"),
    SfCampaign("call_down", "Outbound call-down Q3", "Telemarketing", "Completed"),
)


class Mailing(NamedTuple):
    """A HubSpot e-mail campaign: id, app id, name, subject."""

    id: int
    app_id: int
    name: str
    subject: str


MAILINGS = tuple(
    Mailing(61_000_001 + number, 20_053, name, subject)
    for number, (name, subject) in enumerate(
        (
            ("newsletter-1", "What changed in lead routing"),
            ("newsletter-2", "Five metrics your board asks for"),
            ("newsletter-3", "Ürün haberleri & product news ✨"),
            ("nurture-1", "Your case study: Kettlewright"),
            ("nurture-2", "Is your scoring model honest?"),
            ("webinar-invite", "Join us: Scoring without guesswork"),
            ("trial-welcome", "Welcome to your trial"),
            ("winback", "We miss you"),
        )
    )
)

SUBSCRIPTION_ID = 7_401
"""The e-mail subscription ("Marketing Information") that people leave or join."""
