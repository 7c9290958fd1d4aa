/** Rate limits of keys through the whole gateway: refusals that clients retry, and slots that come back on every way out. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { FakeClock } from "@synth/core";
import { Authenticator, KeyStore, type Scope } from "@synth/core/auth";
import { SqliteDocumentStore } from "@synth/core/storage/document-store-sqlite";
