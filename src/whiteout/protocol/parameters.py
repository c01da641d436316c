"""The parameters of the tracker protocol, `payload_data` 1-0-4.

Every parameter is classified, here by its name and in `whiteout.identifiers` by what it gives away:
a test compares the two, so that a new one cannot slip in unclassified.
Source: reference section 1.1 (payload parameters) and Iglu Central's `payload_data` 1-0-4.
"""

from __future__ import annotations

PARAMETERS: frozenset[str] = frozenset(
    # the event itself
    "e eid dtm stm ttm tv tna aid p tid ue_pr ue_px co cx ue_na "
    # the subject, and ids of the JavaScript trackers
    "uid duid nuid tnuid ip ua lang tz res vp cd cs ds fp sid vid cookie ctype mac "
    # page view and page ping
    "url page refr pp_mix pp_max pp_miy pp_may "
    # structured event
    "se_ca se_ac se_la se_pr se_va "
    # legacy ecommerce, advertisement and social events
    "tr_id tr_af tr_tt tr_tx tr_sh tr_ci tr_st tr_co tr_cu "
    "ti_id ti_sk ti_nm ti_na ti_ca ti_pr ti_qu ti_cu "
    "ad_ba ad_ca ad_ad ad_uid sa sn st sp "
    # browser features
    "f_pdf f_qt f_realp f_wma f_dir f_fla f_java f_gears f_ag".split()
)
"""Every key that `payload_data` 1-0-4 allows."""

REQUIRED_PARAMETERS: frozenset[str] = frozenset({"tv", "p", "e"})
