/** Where the keys of upstreams come from. */
export interface SecretSource {
  /** Value of an environment variable. */
  env(name: string): string | undefined;
  /** Text of a file. Absent where there are no files (Workers). */
  file?(path: string): Promise<string>;
}
