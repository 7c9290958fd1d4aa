/** The version that `/health` and `/openapi.json` name. */
export const VERSION = "0.1.0";
