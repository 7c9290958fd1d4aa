/**
 * Certificate of the edge in the tests, for the names under which tunnels and platforms serve, and the authority that signed it. The keys are worth
 * nothing: nobody else trusts that authority, whose own key was thrown away.
 *
 * @module
 */

/** The authority; what is to trust the edge is given this (`DENO_CERT`). */
export const EDGE_CA = `-----BEGIN CERTIFICATE-----
MIIBmTCCAT+gAwIBAgIUJxK9zjxkrOdM330gGW2telDIIYUwCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOc3ludGggdGVzdHMgQ0EwIBcNMjYxMTIyMDQ0NDMzWhgPMjEy
NjEwMjkwNDQ0MzNaMBkxFzAVBgNVBAMMDnN5bnRoIHRlc3RzIENBMFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAE3e6Ll94bFK7HfIYVlTYjGqRmILyRhwlT/n6NCfD+
LuENeYRaaWUuXHiXadl28aCIabIYRpyyblG0WJ9KxAbSdaNjMGEwHQYDVR0OBBYE
FOMl4PIrqf+BSDX8zWTMuovJJGh1MB8GA1UdIwQYMBaAFOMl4PIrqf+BSDX8zWTM
uovJJGh1MA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgEGMAoGCCqGSM49
BAMCA0gAMEUCIQCCJi4oiEbmRAxAnmkT/NjP6Kaa0290jISjZI39n9GThAIgXLRJ
HhpOSn3GS+uveAJOuOWdOgPsWN6MhDpqY/hMVrw=
-----END CERTIFICATE-----
`;

/** The edge's certificate, until 2126. */
export const EDGE_CERT = `-----BEGIN CERTIFICATE-----
MIICAzCCAaqgAwIBAgIUW3PfDb+h8Pt68IVNk1ajV8Y+z5owCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOc3ludGggdGVzdHMgQ0EwIBcNMjYxMTIyMDQ0NDMzWhgPMjEy
NjEwMjkwNDQ0MzNaMBwxGjAYBgNVBAMMEWVkZ2Ugb2YgdGhlIHRlc3RzMFkwEwYH
KoZIzj0CAQYIKoZIzj0DAQcDQgAElqdcCkLsgf3iyJcvGqkmw9JfQDVA+yN9lBdU
k/oP4bT/9JVWaZlj0kusDaKncPjb8Tlzts5lfJGSV+DWrDOPrqOByjCBxzBlBgNV
HREEXjBcghMqLnRyeWNsb3VkZmxhcmUuY29tghEqLnR1bm5lbHMuZXhhbXBsZYIL
Ki5tb2RhbC5ydW6CGSouc3ludGgtdGVzdHMud29ya2Vycy5kZXaCCiouZGVuby5u
ZXQwCQYDVR0TBAIwADATBgNVHSUEDDAKBggrBgEFBQcDATAdBgNVHQ4EFgQUuMhA
jIgDSrYLUH/b0/UFbwMFHCAwHwYDVR0jBBgwFoAU4yXg8iup/4FINfzNZMy6i8kk
aHUwCgYIKoZIzj0EAwIDRwAwRAIgANwBRVscy2kt+Js2SRA36RKEEqE9q/8oBFTG
WbzOaeQCIHWXFnQHiFN7Csa9brbqtttjvvNEtknor9LRluat5DV8
-----END CERTIFICATE-----
`;

/** Its key. */
export const EDGE_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg+7tBDy9yQVgzW3Pn
+D/VgQIiG5tU0OZ7y8sXWGTX0kahRANCAASWp1wKQuyB/eLIly8aqSbD0l9ANUD7
I32UF1ST+g/htP/0lVZpmWPSS6wNoqdw+NvxOXO2zmV8kZJX4NasM4+u
-----END PRIVATE KEY-----
`;
