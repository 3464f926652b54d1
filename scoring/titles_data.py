"""The words that `scoring.titles` knows; all in lower case and without accents."""

from __future__ import annotations

from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ASSISTANT_STEMS: Final = ("assist", "asist", "sekret", "secret")
"""In any word: somebody's assistant or secretary."""

CUTS: Final = _words(
    """
    of to for at in the with der des dem den beim bei fur im von vom zu zum zur du de la le les des
    d l pour chez aupres en del al para do da dos das em no na van voor bij di della dello del per
    presso
    """
)
"""Prepositions and articles: what follows says whose or of what."""

PAST: Final = _words(
    """
    former ex retired ehemaliger ehemalige ancien ancienne exdirector
    """
)

INTERN: Final = _words(
    """
    intern internship trainee apprentice praktikant praktikantin azubi auszubildender auszubildende
    werkstudent werkstudentin stagiaire stagiair stagista becario becaria practicante estagiario
    estagiaria aprendiz apprenti apprentie alternant alternante tirocinante volontar
    """
)

FOUNDER: Final = _words(
    """
    founder cofounder grunder grunderin mitgrunder mitgrunderin unternehmensgrunder
    fondateur fondatrice cofondateur cofondatrice fundador fundadora cofundador cofundadora
    oprichter oprichtster medeoprichter fondatore cofondatore
    """
)

OWNER: Final = _words(
    """
    owner coowner proprietor inhaber inhaberin proprietaire propietario propietaria proprietario
    proprietaria dueno duena dono dona eigenaar eigenares eigenaresse titolare eigentumer eigentumerin patron
    """
)

OWNER_QUALIFIERS: Final = _words(
    """
    business sole company founder co practice agency shop store restaurant franchise majority part
    joint managing ceo president principal operator
    """
)
"""What may stand right before "owner"; after any other word it owns a product, a process, a backlog."""

OWNER_ROLES: Final = _words(
    """
    operator manager director ceo president founder partner chairman and principal
    """
)
"""What may stand right after "owner"."""

PARTNER: Final = _words(
    """
    partner partnerin associe associee socio socia vennoot gesellschafter
    """
)

PARTNER_QUALIFIERS: Final = _words(
    """
    managing senior founding general equity name executive geschaftsfuhrender geschaftsfuhrende
    fundador gerente director
    """
)

PARTNER_JOBS: Final = _words(
    """
    manager mgr marketing success sales development account director engineer engineering solution
    solutions alliance alliances program programs programme operations ops enablement relations
    relationship relationships consultant lead leader specialist coordinator executive support
    technical technology channel business ecosystem service services integration integrations
    management strategist strategy representative associate recruiter advocate architect experience
    growth analyst officer assistant administrator onboarding head vp
    """
)
"""After "partner" these make a job of it, not a partner."""

VP: Final = _words(
    """
    vp svp evp gvp rvp vicepresident vicepresidente vicepresidenta vicepresidentin
    """
)

VICE: Final = frozenset({"vice"})

PRESIDENT: Final = _words(
    """
    president presidente presidenta prasident prasidentin praesident chairman chairwoman chairperson
    chair voorzitter vorsitzender vorsitzende
    """
)

C_LEVEL: Final = _words(
    """
    ceo cfo cto cio cmo coo cro cso cpo cdo chro ciso cco clo cao cxo cgo cbo cbdo cino cko cvo cito
    cpto cdio cwo cxos pdg dg geschaftsfuhrer geschaftsfuhrerin geschaeftsfuehrer
    geschaeftsfuehrerin geschaftsfuhrender geschaftsfuhrende geschaftsfuhrung geschaftsleitung
    geschaftsleiter geschaftsinhaber gerant gerante zaakvoerder gf
    """
)

MANAGING: Final = ("geschaftsfuhrer", "geschaftsfuhrerin")
"""Compounds: "Hauptgeschäftsführer"."""

BOARD: Final = _words(
    """
    vorstand vorstandin vorstandsmitglied vorstandsvorsitzender vorstandsvorsitzende aufsichtsrat
    bestuurder bestuursvoorzitter
    """
)

TOP_MANAGER: Final = frozenset(
    {
        ("general", "manager"),
        ("gerente", "general"),
        ("gerente", "geral"),
        ("socio", "gerente"),
        ("socia", "gerente"),
        ("consejero", "delegado"),
        ("consejera", "delegada"),
        ("administrador", "delegado"),
        ("amministratore", "delegato"),
        ("algemeen", "manager"),
        ("managing", "member"),
        ("chief", "executive"),
    }
)

DIRECTOR: Final = _words(
    """
    director directeur directrice direktor direktorin directora diretor diretora direttore
    direttrice dir dsi daf drh
    """
)
"""The plural is a board or an audience, not a person."""

CONTAINS_DIRECTOR: Final = ("direktor", "direktorin", "directeur")
"""Compounds: "Vertriebsdirektor", "Marketingdirecteur"."""

DEMOTING: Final = _words(
    """
    associate adjunct subdirector subdirectora subdiretor sousdirecteur sous sub avp office
    """
)
"""Beside a director's title it is a manager's."""

HEAD_LIKE: Final = _words(
    """
    leiter leiterin hoofd afdelingshoofd leitung
    """
)

HEAD_TRADES: Final = _words(
    """
    chef cook nurse coach teacher waiter waitress gardener librarian receptionist barista bartender
    housekeeper cashier baker brewer stylist pro professional master boy girl student counselor
    counsellor instructor trainer guard hunter clerk porter groundskeeper usher concierge steward
    sommelier technician mechanic
    """
)
"""After "head" these are trades."""

HEAD_COMPOUND: Final = ("leiter", "leiterin", "leitung")
"""Compounds: "Vertriebsleiter", "Bereichsleiterin"."""

LEAD_COMPOUND: Final = (
    "team", "projekt", "gruppen", "filial", "schicht", "markt", "bau", "begleit", "ubungs", "studien",
    "teilprojekt", "kurs", "restaurant", "lager", "schul", "geschaft",
)  # fmt: skip
"""Compounds of these lead a team or a project: managers."""

MANAGER: Final = _words(
    """
    manager manageress mgr lead leader teamlead supervisor gerente gestor gestora responsable
    responsabile responsavel jefe jefa chefe coordinador coordinadora coordenador coordenadora
    teamleider teamleiter verantwoordelijke verantwortlicher verantwortliche leidinggevende capo
    capoarea gestionnaire encargado encargada chief prokurist prokuristin subdirector subdirectora
    subdiretor avp foreman superintendent manageur
    """
)

SENIOR: Final = _words(
    """
    senior sr principal staff expert experte expertin fellow lead
    """
)

JUNIOR: Final = _words(
    """
    junior jr entry graduate aide helper aushilfe
    """
)

PHRASES: Final = {
    r"members? of the board": "C_LEVEL",
    r"board member": "C_LEVEL",
    r"mitglied de[rs] (?:vorstand(?:e?s)?|geschaftsleitung|geschaftsfuhrung|aufsichtsrat(?:e?s)?)": "C_LEVEL",
    r"membre du (?:directoire|comite de direction|conseil)": "C_LEVEL",
    r"chef de": "MANAGER",
    r"maitre d": "SPECIALIST",
    r"executive director": "DIRECTOR",
    r"managing director": "C_LEVEL",
    r"direct(?:eur|rice) generale?": "C_LEVEL",
    r"director(?:a)? general": "C_LEVEL",
    r"director(?:a)? gerente": "C_LEVEL",
    r"diretora? geral": "C_LEVEL",
    r"direttore generale": "C_LEVEL",
    r"algemeen directeur": "C_LEVEL",
}
"""Looked at before the words, on the part as it stands."""
