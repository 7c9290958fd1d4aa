/**
 * The task-app toolkit: the HTTP contract between a trainer and the thing that it trains on, a server for it, and what finds, runs and
 * reaches such servers.
 *
 * @module
 */
export {};
