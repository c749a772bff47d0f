-- product.md, 4: only outbound uses, only after success, calls completed and longer than zero, by
-- the second. A message with media is an MMS, an e-mail counts its recipients. Social media has no
-- price and counts all the same.
CREATE TABLE uses ENGINE = MergeTree ORDER BY (log_partition, offset) AS
SELECT
    *,
    toDecimal128(0, 9) AS one,
    toDecimal128OrZero(properties['duration_seconds'], 9) AS seconds,
    properties['direction'] = 'outbound' AS is_outbound,
    is_outbound AND (properties['status'] = 'sent' OR properties['status'] = 'delivered') AS is_message,
    mapContains(properties, 'media_type') AS has_media,
    CAST(multiIf(
        type = 'call.ended' AND is_outbound AND properties['status'] = 'completed' AND seconds > 0,
            [('voice_minute', 'sum', seconds, ['carrier', 'region'])],
        type = 'sms.sent' AND is_message AND has_media, [('sms_mms', 'count', one, ['carrier', 'region'])],
        type = 'sms.sent' AND is_message, [('sms_message', 'count', one, ['carrier', 'region'])],
        type = 'email.sent' AND is_message,
            [('email_message', 'sum', toDecimal128OrZero(properties['recipients'], 9), [])],
        type = 'whatsapp.sent' AND is_message, [('whatsapp_message', 'count', one, [])],
        type = 'social.sent' AND is_message, [('social_message', 'count', one, ['network'])],
        []), 'Array(Tuple(String, String, Decimal(38, 9), Array(String)))') AS counts
FROM fresh;
