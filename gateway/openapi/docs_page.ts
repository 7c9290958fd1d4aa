export function docsPage(): Response {
  return new Response("soon");
}
