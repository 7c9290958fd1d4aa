/**
 * Certificate of the edge in the tests, for `*.trycloudflare.com` and `*.tunnels.example`, and the authority that signed it. The keys are worth
 * nothing: nobody else trusts that authority, whose own key was thrown away.
 *
 * @module
 */

/** The authority; what is to trust the edge is given this (`DENO_CERT`). */
export const EDGE_CA = `-----BEGIN CERTIFICATE-----
MIIBmTCCAT+gAwIBAgIUL26u67GUEQgTor1J0c+nYw4zvvgwCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOc3ludGggdGVzdHMgQ0EwIBcNMjYxMTIyMDQwOTE0WhgPMjEy
NjEwMjkwNDA5MTRaMBkxFzAVBgNVBAMMDnN5bnRoIHRlc3RzIENBMFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEVGpDNT1sfhkL7DAXDgnM9gfCmw4YtSkyRvGWAOgR
WO1NBybHeMOs+D2fiDtbaueslHI0C/YrKbV0vIRWpHJ4QqNjMGEwHQYDVR0OBBYE
FK8/fVEHsuqKfSeIUQsiQcvnl5ZNMB8GA1UdIwQYMBaAFK8/fVEHsuqKfSeIUQsi
Qcvnl5ZNMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgIEMAoGCCqGSM49
BAMCA0gAMEUCIGg25ZnKnw54Dn6SPMbKqMiBHivkl+Ri/gYacekDZce+AiEAuA31
G4Yy5fMYFUvRAA4O8/cQxRxRU+dlNe7kJ68Wino=
-----END CERTIFICATE-----
`;

/** The edge's certificate, until 2126. */
export const EDGE_CERT = `-----BEGIN CERTIFICATE-----
MIIBzzCCAXagAwIBAgIUQjB1fyNHSJJHismautjI2uYOKUwwCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOc3ludGggdGVzdHMgQ0EwIBcNMjYxMTIyMDQwOTE0WhgPMjEy
NjEwMjkwNDA5MTRaMBwxGjAYBgNVBAMMEWVkZ2Ugb2YgdGhlIHRlc3RzMFkwEwYH
KoZIzj0CAQYIKoZIzj0DAQcDQgAE/CO7z4EbDN/9b56Leq6rjhTYrX3NNVgYjVSS
/+K0/A+A3aTL3vxpDuTAHR9Hio/WH8ibsFe23l8q/zVkfuU+U6OBljCBkzAxBgNV
HREEKjAoghMqLnRyeWNsb3VkZmxhcmUuY29tghEqLnR1bm5lbHMuZXhhbXBsZTAJ
BgNVHRMEAjAAMBMGA1UdJQQMMAoGCCsGAQUFBwMBMB0GA1UdDgQWBBR7JR1WvPry
7hfZ6K2CYgHp2IS9LzAfBgNVHSMEGDAWgBSvP31RB7Lqin0niFELIkHL55eWTTAK
BggqhkjOPQQDAgNHADBEAiAdmrS6aKoYqKftlPtKQHXP3K0aD56n2LDcHalFdSRJ
3wIgZFM8QXJIygRpdktgpp2mQ8PeMxNsOsQQqo2MbPw8Tjs=
-----END CERTIFICATE-----
`;

/** Its key. */
export const EDGE_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgoAbtu6LLELHWxNxI
7L9q5i6LuU1RZNpjv6/1nKQ8MnmhRANCAAT8I7vPgRsM3/1vnot6rquOFNitfc01
WBiNVJL/4rT8D4DdpMve/GkO5MAdH0eKj9YfyJuwV7beXyr/NWR+5T5T
-----END PRIVATE KEY-----
`;
