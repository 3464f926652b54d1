"""Who counts as a director or higher, in the languages that titles come in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.titles import LEVELS, Seniority, seniority

DIRECTOR_OR_HIGHER = """
Director of Product Management | Director, Revenue Operations | Senior Director, Customer Success |
Marketing Director | Sales Director EMEA | Operations Director | Technical Director | Programme Director |
Group Director of Strategy | Director - Business Development | Director of Sales & Marketing |
Head of Growth | Head of Engineering | Head of Digital | Head of IT Infrastructure |
Head of Demand Generation |
Head of Business Development DACH | Interim Head of Product | Senior Vice President of Sales |
Executive Vice President | Vice President of Engineering | VP of Customer Success | VP Marketing & Growth |
Regional Vice President | Area Vice President Sales | VP & General Manager | Chief Marketing Officer |
Chief Revenue Officer | Chief Operating Officer | Chief Commercial Officer | Chief People Officer |
Chief Information Security Officer | CISO | CRO | COO | CPO | CIO | CDO | CHRO | Co-CTO | Founder |
Founding Partner | Owner / CEO | Small Business Owner | President and COO | Managing Director UK & Ireland |
Leiterin Personal | Leiter IT | Leiter der Abteilung Einkauf | Einkaufsleiter | Entwicklungsleiterin |
Personalleiterin | IT-Leiter | Werksleiter | Betriebsleiter | Geschäftsführender Direktor | Mitgründer |
Direktorin Marketing | Inhaberin | Vorsitzender der Geschäftsführung | Technischer Geschäftsführer |
Directeur des systèmes d'information | Directeur financier | Directrice de la communication |
Directrice générale adjointe | Président directeur général | Fondateur | Gérante | DSI | DAF |
Directeur marketing et communication | Responsable et fondateur | Directeur de l'innovation |
Director Comercial | Director de Tecnología | Director Ejecutivo | Directora de Recursos Humanos |
Directora Financiera | Director General | Fundador | Presidenta | Vicepresidente de Operaciones |
Diretor Financeiro | Diretora de Recursos Humanos | Diretor-Geral | Diretor Executivo | Fundador e CEO |
Presidente do Conselho | Vice-presidente de Vendas | Proprietária | Sócio |
Directeur Sales | Financieel directeur | Technisch directeur | Hoofd ICT | Hoofd Inkoop | Eigenaresse |
Medeoprichter | Directeur bedrijfsvoering |
Managing Partner EMEA | Partner Germany | Partner - Tax | Senior Partner, Audit | Co-CEO | Co-Director |
Chief Product & Technology Officer | Chief Sales and Marketing Officer | Chief Information Officer |
Head Sales Germany | Head, Customer Success | Owner Operator | Owner/Manager | Co-Owner | Co Founder |
Non-Executive Director | Creative Director | Regional Director EMEA | Finance Director | IT Director |
Sr. Director of Engineering | Director, Demand Generation | Vice President Product | VP, Engineering |
S.V.P. Sales | Group CTO | Deputy CEO | Acting CFO | Interim Head of HR | CEO/Founder | CMO |
Founder and Managing Director | Chairman | Chairwoman of the Board | Member of the Board |
Executive Chairman |
Bereichsleiter Vertrieb | Abteilungsleiterin | Leiter Einkauf | Leitung Marketing | Hauptgeschäftsführer |
Kaufmännischer Leiter | Technische Leiterin | Vorstandsvorsitzender | Vorständin | Geschäftsführer:in |
Directeur technique | Directrice des ressources humaines | Directeur adjoint | Co-fondateur | DRH |
Director de Marketing | Directora de Operaciones | Consejero delegado | Vicepresidenta de Ventas |
Propietario | Cofundadora | Diretora Comercial | Vice-Presidente | Proprietário | Sócio-fundador |
Commercieel directeur | Hoofd Verkoop | Mede-oprichter | Directeur-eigenaar | Bestuurder | Vennoot |
Direttrice generale | Socio fondatore | Presidente |
Director | Senior Director | Managing Director | Executive Director | Head of Marketing | VP Sales |
V.P. of Sales | Vice President, Marketing | Vice-President Sales | SVP Product | EVP | CTO | C.E.O.
| Chief Technology Officer | Chief Executive | President | President & CEO | Co-Founder | Cofounder
& CTO | Owner | Business Owner | Owner/Operator | Partner | Managing Partner | Partner, Tax |
Partner at Foo LLP | General Manager | Geschäftsführer | Geschäftsführerin | Account Director | Art
Director | Geschäftsführender Gesellschafter | Leiter Marketing | Vertriebsleiter | Bereichsleiterin
Einkauf | Marketingleiter | Inhaber | Gründer | Vorstand | Mitglied des Vorstands | Mitglied der
Geschäftsleitung | Directeur commercial | Directrice marketing | Directeur général | PDG | Président
| Vice-président | Gérant | Fondatrice | Director de Ventas | Directora General | Gerente General |
Socio | Dueño | Presidente | Vicepresidente | Diretor de Marketing | Sócio | Sócia-gerente |
Fundadora | Eigenaar | Oprichter | Algemeen directeur | Hoofd Marketing | Zaakvoerder | Direktor |
Vertriebsdirektor | Direttore commerciale | Amministratore delegato | Titolare | Interim CFO |
Global Head of HR | Marketing Head | Regional Head | Sales Dir | Dir. of Engineering |
Geschäftsführer/in | Leiter:in Vertrieb | Director, Assistant Programs | Group CFO | Deputy Director
| Chief Financial Officer (CFO) | Director of Student Affairs | Managing director | director
"""

BELOW = """
Marketing Coordinator | Content Marketing Manager | Digital Marketing Specialist | Growth Marketer |
Sales Manager | Sales Engineer | Solutions Architect | Pre-Sales Consultant | Inside Sales Representative |
Customer Support Specialist | IT Manager | System Administrator | DevOps Engineer | QA Engineer |
Frontend Developer | Data Engineer | HR Manager | HR Generalist | Financial Analyst | Procurement Manager |
Supply Chain Manager | Executive Assistant | Administrative Assistant | Receptionist | Legal Counsel |
Personal Assistant to the CEO | Assistant to the Managing Director | Assistant Marketing Manager |
Associate Product Manager | Technical Product Owner | Digital Product Owner | Business Process Owner |
Alliance Partner Manager | Channel Sales Manager | Researcher | Lecturer | PhD Student | Trainee |
Marketingmanagerin | Produktmanager | Vertriebsingenieur | Softwareentwickler | Buchhalterin | Einkäufer |
Assistentin der Geschäftsleitung | Assistent des Vorstands | Studentische Hilfskraft | Kundenberater |
Außendienstmitarbeiter | Projektmanagerin | Systemadministrator | Personalreferentin |
Chef de produit senior | Chargé d'affaires | Assistante commerciale | Développeur web | Comptable |
Acheteur | Responsable de compte | Alternante marketing | Ingénieure commerciale |
Responsable de Marketing | Ejecutivo de ventas | Asistente de marketing | Desarrollador | Contable |
Comprador | Consultora | Ingeniera de software | Becaria | Técnico de soporte |
Analista de sistemas | Assistente administrativo | Coordenadora de marketing | Desenvolvedor |
Engenheiro de software | Estagiária | Consultor de vendas | Assistente de direção |
Marketingmedewerker | Verkoper | Projectmanager | Softwareontwikkelaar | Inkoper |
Commercieel medewerker | Managementassistente | Adviseur |
Partner Success Manager | Partner Solutions Architect | Senior Partner Manager | Strategic Partner Lead |
Founder's Associate | Founders Associate | Owner Relations Manager | System Owner | Content Owner |
Service Owner | Senior Product Owner | Head Nurse | Head Coach | Head Barista |
Advisor to Chief Executive Officer |
Office of the Chief Executive Officer | Executive Assistant to the Chief Executive Officer | CEO's assistant |
Marketing Specialist | Sales Representative | SDR | BDR | Account Manager | Key Account Manager |
Business Analyst | Data Scientist | Consultant | Senior Consultant | Managing Consultant | Attorney |
Professor | Teacher | Nurse | Accountant | Controller | Buyer | Recruiter | Developer | Marketing |
Regional Sales Manager | Product Manager | Group Product Manager | Program Manager | Engineering Manager |
Operations Coordinator | Project Lead | Teamlead Vertrieb | Gruppenleiter | Filialleiterin | Schichtleiter |
Sachbearbeiter | Vertriebsmitarbeiterin | Assistent der Geschäftsleitung | Auszubildende | Praktikant |
Sekretärin | Chefsekretärin | Assistenz des Vorstands | Referentin | Prokurist | Verkäufer |
Responsable commercial | Chargée de communication | Chef de produit | Stagiaire | Commercial | Ingénieur |
Coordinadora | Gerente de cuenta | Asistente del director | Becario | Analista | Técnico | Subdirectora |
Gerente de projetos | Assistente da diretoria | Estagiário | Analista de marketing | Vendedor |
Accountmanager | Medewerker | Directiesecretaresse | Stagiair | Teamleider | Projectleider |
Responsabile vendite | Assistente di direzione | Impiegato | Stagista |
Assistant to the Director | Executive Assistant to the CEO | Assistant Director | Associate Director
| Product Owner | Process Owner | Partner Manager | HR Business Partner | Business Partner | Partner
Marketing Manager | Director's Office | Office of the Director | Directors Office Coordinator |
Executive Assistant, Office of the CEO | Assistant to CEO & CFO | Assistant Vice President | Chief
of Staff | Chief Accountant | Head Chef | Head Nurse | Software Engineer | Marketing Manager |
Senior Manager | Teamleiter | Projektleiter | Assistentin der Geschäftsführung | Vorstandsassistenz
| Assistante de direction | Assistante du directeur | Secrétaire de direction | Chef de projet |
Responsable marketing | Jefe de ventas | Gerente de ventas | Asistente de dirección | Subdirector |
Coordenador | Adjunct-directeur | Intern | Werkstudent | Student | Team Lead | Team Head | Sales
Associate | Account Executive | Executive | Advisor to the CEO | Secretary to the President |
Referent der Geschäftsführung | Data Owner | Customer Success Manager | Principal Engineer | Former
CEO | Office Manager | Manager | Channel Partner Manager | Board Secretary | Filialleiter | Direct
Sales | Direction | Product eigenaar | AVP | Homeowner | Sous-directeur | Directorate Officer |
Police Officer | Chief Engineer | Assistant General Manager | Personal Assistant of the Managing
Director
"""


def _titles(block: str) -> list[str]:
    return [" ".join(title.split()) for title in block.split("|")]


@pytest.mark.parametrize("title", _titles(DIRECTOR_OR_HIGHER))
def test_director_or_higher(title: str) -> None:
    rank = seniority(title)
    assert rank is not None
    assert rank >= LEVELS["director"]


@pytest.mark.parametrize("title", _titles(BELOW))
def test_below_a_director(title: str) -> None:
    rank = seniority(title)
    assert rank is not None
    assert rank < LEVELS["director"]


@pytest.mark.parametrize(
    ("title", "rank"),
    [
        ("Marketing Intern", Seniority.INTERN),
        ("Junior Developer", Seniority.JUNIOR),
        ("Software Engineer", Seniority.SPECIALIST),
        ("Senior Software Engineer", Seniority.SENIOR),
        ("Marketing Manager", Seniority.MANAGER),
        ("Assistant Director", Seniority.MANAGER),
        ("Head of Sales", Seniority.DIRECTOR),
        ("VP Sales", Seniority.VP),
        ("CTO", Seniority.C_LEVEL),
        ("Founder & CEO", Seniority.OWNER),
    ],
)
def test_ranks(title: str, rank: Seniority) -> None:
    assert seniority(title) == rank


@pytest.mark.parametrize("title", [None, "", "   ", " - ", "123", "\u0301"])
def test_no_title_has_no_rank(title: str | None) -> None:
    assert seniority(title) is None


@given(st.text(max_size=60))
def test_every_text_is_read(title: str) -> None:
    rank = seniority(title)
    assert rank is None or rank in set(Seniority)
    assert seniority(title.upper()) is None or rank is not None or title.upper() != title


def test_there_are_enough_titles_to_speak_of() -> None:
    director, below = set(_titles(DIRECTOR_OR_HIGHER)), set(_titles(BELOW))
    assert not director & below
    assert len(director | below) >= 400
