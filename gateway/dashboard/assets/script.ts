/** What the page does when it may: brings its sections up to date as the feed tells. Everything works without it. @module */

/**
 * New HTML of a section is laid over the old one node by node, so that focus, selection and open boxes stay. It is never run: the
 * server has escaped it, and the page's policy allows no inline script.
 */
export const SCRIPT: string = `
const status = document.getElementById("live");
const told = document.getElementById("told");
let source = null;
let timer = 0;
let atLimit = countAtLimit();

function say(text, kind) {
  status.hidden = false;
  status.dataset.kind = kind;
  if (status.textContent !== text) status.textContent = text;
}

function connect() {
  clearTimeout(timer);
  if (source !== null || document.hidden) return;
  source = new EventSource("/dashboard/events");
  source.addEventListener("sections", (event) => {
    say("Live", "live");
    for (const [name, html] of Object.entries(JSON.parse(event.data))) update(name, html);
    tellLimits();
  });
  source.addEventListener("problem", (event) => {
    say(JSON.parse(event.data).text + ": these figures are old", "problem");
  });
  source.addEventListener("signed_out", () => location.reload());
  source.addEventListener("error", () => {
    if (source === null) return;
    // The browser connects again by itself after a break, but not after a refusal.
    if (source.readyState !== EventSource.CLOSED) return lost();
    disconnect();
    lost();
    timer = setTimeout(connect, 15000);
    leaveIfSignedOut();
  });
}

// A feed does not say why it was refused. Who is not signed in any more gets the form.
async function leaveIfSignedOut() {
  const answer = await fetch("/dashboard/events", { method: "HEAD" }).catch(() => null);
  if (answer?.status === 401) location.reload();
}

// A feed ends now and then and comes back at once: that is nobody's news.
function lost() {
  clearTimeout(timer);
  timer = setTimeout(() => {
    if (source === null || source.readyState !== EventSource.OPEN) say("Not live: connecting", "problem");
  }, 5000);
}

function disconnect() {
  source?.close();
  source = null;
}

function update(name, html) {
  const section = document.getElementById(name);
  if (section === null) return;
  const template = document.createElement("template");
  template.innerHTML = html;
  const hadFocus = section.contains(document.activeElement);
  lay(section, template.content);
  if (hadFocus && !section.contains(document.activeElement)) {
    document.getElementById(name + "-title")?.focus();
  }
}

function lay(old, fresh) {
  const wanted = new Set();
  for (const child of fresh.children) if (child.dataset.key) wanted.add(child.dataset.key);
  const keyed = new Map();
  for (const child of [...old.children]) {
    if (!child.dataset.key) continue;
    if (wanted.has(child.dataset.key)) keyed.set(child.dataset.key, child);
    else child.remove();
  }
  let at = old.firstChild;
  for (const node of [...fresh.childNodes]) {
    const key = node.dataset?.key;
    const match = key ? keyed.get(key) : at !== null && !at.dataset?.key && same(at, node) ? at : null;
    if (key) keyed.delete(key);
    if (!match) old.insertBefore(node, at);
    else {
      // What is moved loses its focus: what stands before it goes instead, and finds its place in its turn.
      while (match !== at && match.contains(document.activeElement)) {
        const next = at.nextSibling;
        old.append(at);
        at = next;
      }
      if (match === at) at = at.nextSibling;
      else old.insertBefore(match, at);
      patch(match, node);
    }
  }
  while (at !== null) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function same(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName;
}

function patch(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  const keepsOpen = old.nodeName === "DETAILS";
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !(keepsOpen && name === "open")) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  lay(old, fresh);
}

function countAtLimit() {
  return document.querySelectorAll('#sessions tr[data-status="limit_exceeded"]').length;
}

// Bars move all the time and are not read out; that a session has stopped is.
function tellLimits() {
  const now = countAtLimit();
  if (now > atLimit) told.textContent = now === 1 ? "A session has reached its limit" : now + " sessions have reached a limit";
  atLimit = now;
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) disconnect();
  else connect();
});
addEventListener("pagehide", disconnect);
addEventListener("pageshow", connect);
// A notice is for once: a reload must not repeat it.
if (location.search !== "") history.replaceState(null, "", location.pathname + location.hash);
connect();
`;
