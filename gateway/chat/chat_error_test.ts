import { assertEquals } from "@std/assert";
import { chatError } from "./chat_error.ts";

Deno.test("chatError gives each code the type that OpenAI's clients know it by", () => {
  const typeOf = (code: string) => {
    const { error } = chatError({ code, message: "m" });
    return error["type"];
  };
  assertEquals(typeOf("rate_limit_exceeded"), "rate_limit_error");
  assertEquals(typeOf("insufficient_quota"), "insufficient_quota");
  assertEquals(typeOf("context_length_exceeded"), "invalid_request_error");
  assertEquals(typeOf("server_error"), "server_error");
  assertEquals(typeOf("constructor"), "server_error");
});
