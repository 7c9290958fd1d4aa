export function openApi(): Response {
  return new Response("soon");
}
