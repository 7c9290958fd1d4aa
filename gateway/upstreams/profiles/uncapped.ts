import type { UpstreamProfile } from "../../bridge/profile.ts";
import { GENERIC } from "./generic.ts";

/** An upstream that does not keep to `max_tokens`: a request holds all that its model can put out. */
export const UNCAPPED: UpstreamProfile = { ...GENERIC, name: "uncapped", outputCap: null };
