/** What opens tunnels when nobody says otherwise. @module */
import { type TunnelOpener, unavailableTunnels } from "./port.ts";

/** The opener of `InProcessTaskApp` and of the commands. */
export const defaultTunnels: TunnelOpener = unavailableTunnels;
