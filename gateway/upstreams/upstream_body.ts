/** What is sent to an upstream, whichever API it speaks. */
export interface UpstreamBody {
  readonly stream: boolean;
  [field: string]: unknown;
}
