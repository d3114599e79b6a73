/* One query: its candidates before, and after one or two systems; texts, prompts and answers when they are asked for. */
"use strict";
(async () => {
  const block = JSON.parse(document.getElementById("data").textContent);
  const lists = document.getElementById("lists");
  const before = [...document.querySelectorAll("#before > li")];
  const cutoff = Number(lists.dataset.cutoff);
  const root = document.body.dataset.root;
  const { made, load } = window.rerankbench;
  const data = await load(block.list);
  const numberOf = (key) => data.systems.findIndex((system) => system.key === key);
  const counted = (n, one, many) => `${n} ${n === 1 ? one : many}`;

  /* ---- texts ---- */
  const fillText = async (item) => {
    const target = item.querySelector(".text");
    const place = block.places[Number(item.dataset.d)];
    if (target.dataset.done || target.textContent) return;
    target.dataset.done = "yes";
    if (!place) { target.textContent = "Texts were left out of this site."; return; }
    const [text, cut] = (await load(`${block.documents}/${place[0]}.js`))[place[1]];
    target.textContent = text || "(an empty document)";
    if (cut) target.append(made("span", { class: "cut" }, ` … ${cut.toLocaleString("en")} more characters left out`));
  };
  lists.addEventListener("toggle", (event) => {
    const item = event.target.closest("li");
    if (event.target.open && item) fillText(item);
  }, true);
  const texts = document.getElementById("texts");
  texts.addEventListener("click", () => {
    const open = texts.getAttribute("aria-pressed") !== "true";
    texts.setAttribute("aria-pressed", String(open));
    texts.textContent = open ? "Hide all texts" : "Show all texts";
    lists.querySelectorAll("details").forEach((details) => { details.open = open; });
  });

  /* ---- the same document in every list ---- */
  const highlight = (event) => {
    const item = event.target.closest?.("li[data-d]");
    lists.querySelectorAll("li.same").forEach((li) => li.classList.remove("same"));
    if (item) lists.querySelectorAll(`li[data-d="${item.dataset.d}"]`).forEach((li) => li.classList.add("same"));
  };
  lists.addEventListener("mouseover", highlight);
  lists.addEventListener("mouseleave", highlight);
  lists.addEventListener("focusin", highlight);

  /* ---- a system's list ---- */
  const movement = (places) => {
    if (!places) return made("span", { class: "move level" }, "=", made("span", { class: "unseen" }, " not moved"));
    const up = places > 0;
    return made("span", { class: `move ${up ? "up" : "down"}` }, `${up ? "▲" : "▼"} ${Math.abs(places)}`, made("span", { class: "unseen" }, ` places ${up ? "up" : "down"}`));
  };
  const item = (position, rank) => {
    const copy = before[position].cloneNode(true);
    copy.classList.toggle("last", cutoff > 0 && rank === cutoff);
    copy.classList.remove("same");
    copy.querySelector("details").open = false;
    copy.querySelector(".rank").textContent = rank;
    copy.querySelector(".grade").after(movement(position + 1 - rank));
    return copy;
  };
  const relevant = (items) => items.slice(0, cutoff || items.length).filter((li) => /[1-9]/.test(li.querySelector(".grade").textContent)).length;
  const depth = (items) => (cutoff ? `top ${Math.min(cutoff, items.length)}` : "the list");
  const section = (name, key) => {
    const number = numberOf(key);
    const system = data.systems[number];
    const ranked = block.ranked[number];
    const heading = made("h2", {}, `${name}: `, made("a", { href: root + system.page }, system.label));
    const about = made("div", { class: "about" });
    const list = made("section", { class: "list", "aria-label": `${name}: ${system.label}` }, heading, about);
    if (!ranked) { about.textContent = "It did not rank this query."; return list; }
    const items = ranked.order.map((position, i) => item(position, i + 1));
    const value = data.values[0][number][block.query];
    about.append(`${data.measures[0]} ${value === null ? "not judged" : (100 * value).toFixed(2)} · ${relevant(items)} relevant in ${depth(items)}`);
    if (system.caveat) about.append(" · ", system.caveat);
    ranked.defects.forEach(([kind, count, detail]) => about.append(made("div", { class: "defect" }, `${kind} ×${count}: ${detail}`)));
    if (ranked.more_defects) about.append(made("div", { class: "defect" }, `and ${counted(ranked.more_defects, "more defect", "more defects")}: see its run`));
    list.append(made("ol", {}, ...items));
    return list;
  };

  /* ---- what was sent ---- */
  const quoted = (item) => {
    const text = made("pre", { tabindex: "0" }, item.head);
    if (item.cut) text.append(made("span", { class: "cut" }, `\n… ${item.cut.toLocaleString("en")} characters left out here …\n`), item.tail);
    return text;
  };
  const sentBy = (key, sent) => {
    const of = sent.systems[key];
    const label = data.systems[numberOf(key)].label;
    const parts = made("details", { class: "sent" }, made("summary", {}, label));
    if (!of) { parts.append(made("p", {}, "It did not rank this query.")); return parts; }
    if (of.why) parts.append(made("p", {}, of.why));
    of.notes.forEach(([name, value]) => parts.append(made("p", { class: "context" }, `${name}: ${value}`)));
    of.inputs.forEach((sha256) => {
      const input = sent.inputs[sha256];
      parts.append(made("p", { class: "context" }, `${input.what}, SHA-256 ${sha256.slice(0, 16)}`), quoted(input));
    });
    if (of.calls) parts.append(made("p", { class: "context" }, `${counted(of.calls, "call", "calls")}, ${of.prompt_tokens.toLocaleString("en")} tokens in, ${of.completion_tokens.toLocaleString("en")} out`));
    of.answers.forEach((answer) => {
      const ended = answer.finish ? `, ended by ${answer.finish}` : "";
      parts.append(made("p", { class: "context" }, `answer${answer.phase ? ` of ${answer.phase}` : ""}: ${answer.prompt_tokens} tokens in, ${answer.completion_tokens} out${ended}`), quoted({ head: answer.text, cut: answer.cut, tail: "" }));
    });
    if (of.more_answers) parts.append(made("p", { class: "cut" }, `${counted(of.more_answers, "more answer is", "more answers are")} left out here; they are in the run folder.`));
    return parts;
  };
  const showSent = async (keys) => {
    const target = document.getElementById("sent");
    if (!target) return;
    const sent = await load(block.sent);
    target.replaceChildren(...keys.map((key) => sentBy(key, sent)));
    if (!keys.length) target.append(made("p", {}, "Choose a system."));
  };

  lists.style.setProperty("--id", `${Math.min(18, Math.max(...before.map((li) => li.querySelector(".id").textContent.length)))}ch`);
  const about = document.querySelector("#before").previousElementSibling;
  about.textContent = `${relevant(before)} relevant in ${depth(before)}`;
  window.rerankbench.choose({ a: lists.dataset.firstA, b: lists.dataset.firstB }, (a, b) => {
    const chosen = [["A", a], ["B", b]].filter(([, key]) => key);
    lists.querySelectorAll("section.list ~ section.list").forEach((each) => each.remove());
    lists.append(...chosen.map(([name, key]) => section(name, key)));
    lists.style.setProperty("--columns", 1 + chosen.length);
    if (texts.getAttribute("aria-pressed") === "true") lists.querySelectorAll("details").forEach((details) => { details.open = true; });
    showSent([...new Set(chosen.map(([, key]) => key))]);
  });
})();
