// The console's one script: what moves by itself, the reader's own time zone, and typed words that are never lost.
// Everything works without it: reading, answering, ending. It keeps no state but the browser's.
"use strict";
(() => {
  const all = (query, root = document) => [...root.querySelectorAll(query)];
  const link = document.getElementById("link");
  const you = document.querySelector("#you input");

  const say = (words, live = false) => {
    if (link.textContent !== words) link.textContent = words;
    link.classList.toggle("live", live);
  };

  // --- times: the reader's zone, UTC on hover (it stands in `title`) ---
  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  const age = (seconds) => {
    if (seconds < 60) return "just now";
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
    if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
    return `${Math.floor(seconds / 86400)} d ago`;
  };
  const localise = () => {
    for (const time of all("time[datetime]")) {
      const at = new Date(time.dateTime);
      const show = time.dataset.show;
      const words = show === "age" ? age((Date.now() - at) / 1000) : show === "date" ? day.format(at) : clock.format(at);
      if (time.textContent !== words) time.textContent = words;
    }
  };

  // --- changing what stands there, and nothing else: focus, open details and typed words stay ---
  const morph = (old, now) => {
    if (old.nodeName !== now.nodeName || (old.id || "") !== (now.id || "")) return old.replaceWith(now);
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.nodeValue !== now.nodeValue) old.nodeValue = now.nodeValue;
      return undefined;
    }
    for (const { name, value } of now.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    for (const { name } of [...old.attributes]) {
      const ours = name === "open" || name === "hidden" || name === "disabled";
      if (!now.hasAttribute(name) && !ours) old.removeAttribute(name);
    }
    let place = old.firstChild;
    for (const child of [...now.childNodes]) {
      const known = child.id && [...old.children].find((it) => it.id === child.id);
      if (known && known !== place) old.insertBefore(known, place);
      if (known) place = known;
      if (!place || (child.id && !known)) {
        old.insertBefore(child, place);
        continue;
      }
      const next = place.nextSibling;
      morph(place, child);
      place = next;
    }
    while (place) {
      const next = place.nextSibling;
      place.remove();
      place = next;
    }
    return undefined;
  };
  const settle = () => {
    localise();
    drafts();
    for (const button of all("button[data-copy]")) button.hidden = false;
  };

  // --- drafts: what somebody types is kept until it is taken, even when the session ends meanwhile ---
  const typed = "input[type=text], textarea, input[type=checkbox], select";
  const key = (form) => `draft ${form.dataset.draft}`;
  const keep = (form) => {
    const values = all(typed, form).map((it) => (it.type === "checkbox" ? it.checked : it.value));
    sessionStorage.setItem(key(form), JSON.stringify(values));
  };
  const drafts = () => {
    for (const form of all("form[data-draft]:not([data-restored])")) {
      form.dataset.restored = "";
      const values = JSON.parse(sessionStorage.getItem(key(form)) || "[]");
      all(typed, form).forEach((it, index) => {
        if (it.type === "checkbox") it.checked = values[index] || false;
        else if (values[index]) it.value = values[index];
      });
    }
  };
  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-draft]");
    if (form) keep(form);
  });

  // --- forms: sent without leaving the page ---
  const gone = "You are no longer logged in. What you typed is kept; log in and it is here again.";
  const problem = async (answer) => {
    const told = await answer.json().catch(() => ({}));
    return told.detail || `The server answered ${answer.status}.`;
  };
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (form.method !== "post" || form.dataset.plain !== undefined) return;
    event.preventDefault();
    const button = event.submitter;
    const fields = new URLSearchParams(new FormData(form, button));
    if (you.value.trim() && !fields.has("by")) fields.set("by", you.value.trim());
    if (button) button.disabled = true;
    try {
      const answer = await fetch(form.action, { method: "POST", body: fields, headers: { accept: "text/html" } });
      const html = (answer.headers.get("content-type") || "").startsWith("text/html");
      const here = new URL(answer.url).pathname === location.pathname || !answer.redirected;
      if (answer.status === 401) return say(gone);
      if (answer.ok && !here) return location.assign(answer.url);
      if (!html) return say(await problem(answer));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (answer.ok && form.dataset.draft) {
        sessionStorage.removeItem(key(form));
        form.reset();
      }
      if (answer.ok) form.closest("details")?.removeAttribute("open");
      morph(document.getElementById("main"), page.getElementById("main"));
      settle();
      again(page);
      document.getElementById("notice")?.scrollIntoView({ block: "nearest" });
    } catch {
      say("The server cannot be reached. What you typed is kept.");
    } finally {
      if (button) button.disabled = false;
    }
    return undefined;
  });

  // --- copying ---
  const copy = async (text) => {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const area = document.body.appendChild(document.createElement("textarea"));
    area.value = text;
    area.select();
    document.execCommand("copy");
    return area.remove();
  };
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    const from = button.dataset.copy;
    const words = button.textContent;
    try {
      const text = from.startsWith("#")
        ? document.querySelector(from).textContent
        : await (await fetch(from, { headers: { accept: "text/markdown" } })).text();
      await copy(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Could not be copied";
    }
    setTimeout(() => (button.textContent = words), 2000);
  });

  // --- the stream: one while the page is looked at; it goes on where it stopped ---
  const place = document.body.dataset.live;
  let source = null;
  let last = "";
  let late = 0;
  const part = (event) => {
    const parsed = document.createElement("template");
    parsed.innerHTML = event.data;
    const now = parsed.content.firstElementChild;
    const old = now && document.getElementById(now.id);
    if (old) morph(old, now);
    if (event.lastEventId) last = event.lastEventId;
    settle();
  };
  const listen = () => {
    if (!place || source || document.hidden) return;
    const from = new URL(place, location);
    if (last) from.searchParams.set("after", last);
    source = new EventSource(from);
    source.onopen = () => say("live", true);
    source.addEventListener("part", part);
    source.onerror = async () => {
      say("reconnecting…");
      if (source?.readyState !== EventSource.CLOSED) return;
      // The server refused: too many look, or the session is over.
      source = null;
      clearTimeout(late);
      late = setTimeout(listen, 3000);
      const answer = await fetch(location.href, { method: "HEAD" }).catch(() => null);
      if (answer && (answer.status === 401 || new URL(answer.url).pathname === "/login")) say(gone);
    };
  };
  const rest = () => {
    source?.close();
    source = null;
    clearTimeout(late);
  };
  // An answer to a form may be older than what the stream has brought meanwhile: the stream goes on from what it shows.
  const again = (page) => {
    if (!page.body.dataset.live) return;
    rest();
    last = new URL(page.body.dataset.live, location).searchParams.get("after") || "";
    listen();
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? rest() : listen()));
  addEventListener("pagehide", rest);
  addEventListener("pageshow", listen);

  document.getElementById("you").hidden = false;
  you.value = localStorage.getItem("you") || "";
  you.addEventListener("change", () => localStorage.setItem("you", you.value.trim()));
  settle();
  listen();
  setInterval(localise, 15000);
})();
