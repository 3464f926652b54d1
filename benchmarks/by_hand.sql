-- The default model as one would write it by hand for SQLite, set-based, and nothing but the scores.
-- :as_of is the moment. The results lie in by_hand_score and by_hand_hit, made like score and score_hit.
-- Events: 0 demo, 1 trial, 2 pricing, 3 case study, 4 webinar, 5 newsletter, 6 careers, 7 unsubscribed,
-- 8 subscribed again.

CREATE TEMP TABLE hand_seen AS
SELECT person_id, occurred_at AS at, CASE crm WHEN 'hubspot' THEN 1 ELSE 2 END AS source,
       CASE WHEN kind = 'content_downloaded' THEN coalesce(asset_key, '') ELSE '' END AS asset,
       CASE kind WHEN 'demo_requested' THEN 0 WHEN 'form_submitted' THEN 0 WHEN 'trial_started' THEN 1
                 WHEN 'page_view' THEN CASE WHEN asset LIKE '%/pricing%' THEN 2 ELSE 6 END
                 WHEN 'content_downloaded' THEN 3 WHEN 'webinar_attended' THEN 4
                 WHEN 'subscribed' THEN CASE WHEN asset LIKE '%newsletter%' THEN 5 ELSE 8 END
                 ELSE 7 END AS event
FROM engagement
WHERE kind IN ('demo_requested', 'form_submitted', 'trial_started', 'page_view', 'content_downloaded',
               'webinar_attended', 'subscribed', 'unsubscribed')
  AND person_id IS NOT NULL AND occurred_at <= :as_of AND first_seen <= :as_of AND NOT is_bot AND NOT deleted
  AND CASE kind WHEN 'form_submitted' THEN asset LIKE '%demo%'
                WHEN 'page_view' THEN asset LIKE '%/pricing%' OR asset LIKE '%/careers%'
                WHEN 'content_downloaded' THEN asset LIKE '%case%study%' ELSE 1 END;

CREATE TEMP TABLE hand_event AS
WITH marked AS (
  SELECT person_id, event, asset, at, source,
         CASE WHEN at - lag(at) OVER alike
                   < CASE event WHEN 2 THEN 1800 WHEN 6 THEN 1800 WHEN 3 THEN 3600
                                WHEN 5 THEN 0 WHEN 7 THEN 0 WHEN 8 THEN 0 ELSE 86400 END
              THEN 0 ELSE 1 END AS starts
  FROM hand_seen WINDOW alike AS (PARTITION BY person_id, event, asset ORDER BY at)
), numbered AS (
  SELECT *, sum(starts) OVER (PARTITION BY person_id, event, asset ORDER BY at) AS chain FROM marked
)
SELECT person_id, event, min(at) AS at, max(at) AS last_at,
       max(source & 1) + max(source & 2) AS source
FROM numbered GROUP BY person_id, event, asset, chain;

CREATE TEMP TABLE hand_rule AS
SELECT person_id, event, count(*) AS count, min(at) AS first_at, max(at) AS last_at, max(last_at) AS last_hit,
       max(source & 1) + max(source & 2) AS source,
       CAST(CASE event
         WHEN 0 THEN floor(25000.0 * pow(0.5, CAST(:as_of - max(at) AS REAL) / 5184000.0) + 0.5)
         WHEN 1 THEN floor(30000.0 * pow(0.5, CAST(:as_of - max(at) AS REAL) / 5184000.0) + 0.5)
         WHEN 2 THEN CASE WHEN count(*) >= 3 THEN 15000 ELSE 0 END
         WHEN 3 THEN min(20000, sum(floor(10000.0 * pow(0.5, CAST(:as_of - at AS REAL) / 5184000.0) + 0.5)))
         WHEN 4 THEN min(20000, sum(max(0, 100 - (:as_of - at) / 2592000 * 25) * 100))
         WHEN 5 THEN 5000 WHEN 6 THEN -20000 WHEN 7 THEN -25000 ELSE 0 END AS INTEGER) AS points
FROM hand_event
WHERE CASE event WHEN 2 THEN at > :as_of - 2592000 WHEN 6 THEN at > :as_of - 7776000 ELSE 1 END
GROUP BY person_id, event;

CREATE TEMP TABLE hand_subscribed (person_id TEXT PRIMARY KEY, at INTEGER) WITHOUT ROWID;
INSERT INTO hand_subscribed
SELECT person_id, max(at) FROM hand_event WHERE event IN (5, 8) GROUP BY person_id;

DELETE FROM hand_rule
WHERE points = 0 OR event = 7 AND last_hit < (SELECT s.at FROM hand_subscribed s
                                              WHERE s.person_id = hand_rule.person_id);

CREATE TEMP TABLE hand_demo (person_id TEXT PRIMARY KEY) WITHOUT ROWID;
INSERT INTO hand_demo
SELECT DISTINCT person_id FROM hand_event WHERE event = 0 AND at > :as_of - 2592000;

CREATE TEMP TABLE hand_sum (person_id TEXT PRIMARY KEY, high INTEGER, mid INTEGER, low INTEGER) WITHOUT ROWID;
INSERT INTO hand_sum
SELECT person_id, sum(CASE WHEN event IN (0, 1, 2) THEN points ELSE 0 END),
       sum(CASE WHEN event IN (3, 4, 5) THEN points ELSE 0 END),
       sum(CASE WHEN event IN (6, 7) THEN points ELSE 0 END)
FROM hand_rule GROUP BY person_id;

CREATE TEMP TABLE hand_person AS
WITH summed AS (
  SELECT p.person_id, p.ambiguous, p.email, p.company, p.student_domain, p.crm_stage, p.email_domain,
         CASE WHEN p.crm_stage IN ('subscriber', 'lead', 'mql') AND EXISTS
              (SELECT 1 FROM spell WHERE spell.person_id = p.person_id AND left_at IS NULL)
              THEN 'mql' ELSE p.crm_stage END AS stage,
         CASE WHEN p.seniority >= 6 THEN 15000 ELSE 0 END AS director,
         CASE WHEN p.company_size BETWEEN 50 AND 250 THEN 10000 ELSE 0 END AS size,
         CASE WHEN p.email_domain <> '' AND p.student_domain THEN -50000 ELSE 0 END AS student,
         coalesce(s.high, 0) AS high, coalesce(s.mid, 0) AS mid, coalesce(s.low, 0) AS low,
         d.person_id IS NOT NULL AS demo
  FROM person p LEFT JOIN hand_sum s ON s.person_id = p.person_id
       LEFT JOIN hand_demo d ON d.person_id = p.person_id
), grouped AS (
  SELECT *, min(max(director + size + student, -100000), 50000) AS fit,
         min(max(high, 0), 70000) + min(max(mid, 0), 40000) + low AS raw,
         CASE WHEN email_domain <> '' AND student_domain THEN 'student'
              WHEN crm_stage = 'customer' THEN 'customer' END AS suppressed
  FROM summed
)
SELECT *, min(max(raw, -100000), 150000) AS engagement FROM grouped;

DELETE FROM by_hand_hit;
DELETE FROM by_hand_score;

INSERT INTO by_hand_hit
SELECT person_id, 'b2b-default',
       CASE event WHEN 0 THEN 'demo_request' WHEN 1 THEN 'trial_started' WHEN 2 THEN 'pricing_3plus'
                  WHEN 3 THEN 'case_study' WHEN 4 THEN 'webinar' WHEN 5 THEN 'newsletter'
                  WHEN 6 THEN 'careers_visit' ELSE 'unsubscribed' END,
       'engagement',
       CASE WHEN event <= 2 THEN 'high_intent' WHEN event <= 5 THEN 'mid_intent' ELSE 'negative' END,
       points, count, first_at, last_at,
       CASE source WHEN 1 THEN 'hubspot' WHEN 2 THEN 'salesforce' ELSE 'hubspot,salesforce' END
FROM hand_rule
UNION ALL SELECT person_id, 'b2b-default', 'director_or_higher', 'fit', NULL, director, 1, NULL, NULL, ''
FROM hand_person WHERE director <> 0
UNION ALL SELECT person_id, 'b2b-default', 'size_50_250', 'fit', NULL, size, 1, NULL, NULL, ''
FROM hand_person WHERE size <> 0
UNION ALL SELECT person_id, 'b2b-default', 'student_email', 'fit', NULL, student, 1, NULL, NULL, ''
FROM hand_person WHERE student <> 0
UNION ALL SELECT person_id, 'b2b-default', 'limit:fit', 'fit', NULL, fit - director - size - student, 0,
                 NULL, NULL, '' FROM hand_person WHERE fit <> director + size + student
UNION ALL SELECT person_id, 'b2b-default', 'limit:high_intent', 'engagement', 'high_intent',
                 min(max(high, 0), 70000) - high, 0, NULL, NULL, ''
FROM hand_person WHERE high NOT BETWEEN 0 AND 70000
UNION ALL SELECT person_id, 'b2b-default', 'limit:mid_intent', 'engagement', 'mid_intent',
                 min(max(mid, 0), 40000) - mid, 0, NULL, NULL, ''
FROM hand_person WHERE mid NOT BETWEEN 0 AND 40000
UNION ALL SELECT person_id, 'b2b-default', 'limit:engagement', 'engagement', NULL, engagement - raw, 0,
                 NULL, NULL, '' FROM hand_person WHERE engagement <> raw;

INSERT INTO by_hand_score
SELECT person_id, 'b2b-default', 1, :hash, fit + engagement, fit, engagement,
       CASE WHEN fit >= 25000 THEN 'A' WHEN fit >= 15000 THEN 'B' WHEN fit >= 0 THEN 'C' ELSE 'D' END
       || CASE WHEN engagement >= 70000 THEN '1' WHEN engagement >= 40000 THEN '2'
               WHEN engagement >= 15000 THEN '3' ELSE '4' END,
       suppressed, 1,
       suppressed IS NULL AND NOT ambiguous AND email <> '' AND coalesce(company, '') <> ''
       AND stage IN ('subscriber', 'lead', 'mql', 'recycled'),
       fit + engagement >= 100000 AND fit >= 15000 AND engagement >= 40000,
       CASE WHEN demo AND fit >= 15000 THEN 'demo' END,
       fit + engagement < 80000 AND NOT (demo AND fit >= 15000), :as_of, :as_of, NULL
FROM hand_person;
