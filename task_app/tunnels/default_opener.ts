/** What opens tunnels when nobody says otherwise. @module */
import { CloudflaredTunnels } from "./cloudflared_tunnels.ts";
import type { TunnelOpener } from "./port.ts";

/** The opener of `InProcessTaskApp` and of the commands: `cloudflared`. */
export const defaultTunnels: TunnelOpener = new CloudflaredTunnels();
