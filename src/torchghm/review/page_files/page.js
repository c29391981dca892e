"use strict";
// Names in data are shown by textContent alone: markup in them stays text.
const page = JSON.parse(document.getElementById("findings").textContent);
const PER_PAGE = 48;
const KEYS = { a: "accept", r: "reject", s: "skip" };
const byId = (id) => document.getElementById(id);
const decisions = new Map(); // from the name of a finding to what was decided
let shown = [];
let first = 0;
let current = 0;
let notice = ""; // on the file of decisions that was opened last

const findings = page.findings.map((row) => ({
  name: row[0], kind: page.kinds[row[1]], score: row[2], image: page.images[row[3]], annotation: row[4],
  label: row[5], box: row[6], suggestedLabel: row[7], suggestedBox: row[8], levels: row[9], crop: page.crops[row[10]],
}));
const className = (label) => (label < 0 ? null : page.classes[label]);

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function drawn(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function boxed(box, kind) {
  return drawn("rect", { x: box[0], y: box[1], width: box[2] - box[0], height: box[3] - box[1], class: kind });
}

function crop(found) {
  const boxes = [found.box, found.suggestedBox].filter(Boolean);
  const low = (side) => Math.min(...boxes.map((box) => box[side]));
  const high = (side) => Math.max(...boxes.map((box) => box[side]));
  const margin = 0.4 * Math.max(high(2) - low(0), high(3) - low(1), 8);
  const [name, width, height, file] = found.image;
  const view = found.crop
    ? found.crop.slice(0, 4)
    : [Math.max(0, low(0) - margin), Math.max(0, low(1) - margin),
       Math.min(width, high(2) + margin), Math.min(height, high(3) + margin)];
  const picture = drawn("svg", {
    class: "crop", viewBox: [view[0], view[1], view[2] - view[0], view[3] - view[1]].join(" "), role: "img",
  });
  if (found.crop) {
    picture.append(drawn("image", {
      x: view[0], y: view[1], width: view[2] - view[0], height: view[3] - view[1], preserveAspectRatio: "none",
      href: "data:image/jpeg;base64," + found.crop[4],
    }));
  } else if (file) {
    picture.append(drawn("image", { x: 0, y: 0, width, height, preserveAspectRatio: "none", href: file }));
  }
  if (found.suggestedBox) picture.append(boxed(found.suggestedBox, "new"));
  if (found.box) picture.append(boxed(found.box, "old"));
  picture.append(drawn("title", {}));
  picture.lastChild.textContent = name;
  return picture;
}

function sparkline(levels) {
  const picture = drawn("svg", { class: "spark", viewBox: "0 -2 70 104", preserveAspectRatio: "none" });
  const points = [];
  levels.forEach((level, index) => { if (level !== null) points.push(`${10 * index},${100 - level}`); });
  picture.append(drawn("polyline", { class: "line", points: points.join(" ") }));
  return picture;
}

function sentence(found) {
  const old = className(found.label), instead = className(found.suggestedLabel);
  return {
    "wrong class": `${old}, rather ${instead}`, misplaced: `${old}, rather at the dashed place`,
    spurious: `${old}: nothing there`, missing: `a ${instead} without a label`, duplicate: `${old}, labelled twice`,
  }[found.kind];
}

function card(found, index) {
  const made = element("div", { className: "card", onclick: () => { current = index; mark(); } },
    crop(found),
    element("p", {}, element("b", { textContent: `${found.kind} ${found.score.toFixed(2)} ` }), sentence(found)));
  if (found.levels.some((level) => level !== null)) made.append(element("p", { textContent: "g " }, sparkline(found.levels)));
  made.append(element("p", { className: "image", textContent: found.image[0] }));
  return made;
}

function mark() {
  [...byId("gallery").children].forEach((made, index) => {
    const verdict = decisions.get(shown[first + index].name);
    made.className = ["card", verdict, index === current ? "current" : ""].filter(Boolean).join(" ");
    if (index === current) made.scrollIntoView({ block: "nearest" });
  });
  const count = (verdict) => [...decisions.values()].filter((value) => value === verdict).length;
  byId("state").textContent = shown.length
    ? `${first + 1} to ${Math.min(first + PER_PAGE, shown.length)} of ${shown.length} findings; `
      + `accepted ${count("accept")}, rejected ${count("reject")}, skipped ${count("skip")}`
    : "no finding fits";
  if (notice) byId("state").textContent += `; ${notice}`;
}

function show() {
  byId("gallery").replaceChildren(...shown.slice(first, first + PER_PAGE).map(card));
  mark();
}

function filter() {
  const kind = byId("kind").value, label = byId("class").value;
  const low = Number(byId("low").value), high = Number(byId("high").value), open = byId("open").checked;
  shown = findings.filter((found) =>
    (!kind || found.kind === kind) && found.score >= low && found.score <= high
    && (!label || [found.label, found.suggestedLabel].includes(Number(label)))
    && !(open && decisions.has(found.name)));
  first = current = 0;
  show();
}

function turn(pages) {
  const start = first + pages * PER_PAGE;
  if (start < 0 || start >= shown.length) return;
  first = start;
  current = 0;
  show();
}

function step(by) {
  const last = Math.min(PER_PAGE, shown.length - first) - 1;
  if (current + by > last) { turn(1); return; }
  if (current + by < 0) { if (first) { turn(-1); current = PER_PAGE - 1; mark(); } return; }
  current += by;
  mark();
}

function decide(verdict) {
  const found = shown[first + current];
  if (!found) return;
  if (verdict) decisions.set(found.name, verdict); else decisions.delete(found.name);
  mark();
  if (verdict) step(1);
}

function decision(found) {
  return {
    finding: found.name, decision: decisions.get(found.name), kind: found.kind, score: found.score,
    image: found.image[0], class: className(found.label), box: found.box,
    suggested_class: className(found.suggestedLabel), suggested_box: found.suggestedBox,
  };
}

function decided() {
  return findings.filter((found) => decisions.has(found.name)).map(decision);
}

function save() {
  const text = JSON.stringify({ torchghm_review: page.form, decisions: decided() }, null, 1);
  const link = element("a", { download: "decisions.json" });
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.click();
}

// Names count labels: after another training, or in corrected data, the same name may be that of another label.
function isSame(found, other) {
  const own = decision(found);
  return ["kind", "image", "class", "suggested_class"].every((key) => own[key] === (other[key] ?? null))
    && ["box", "suggested_box"].every((key) => own[key] === null || !Array.isArray(other[key])
      ? own[key] === (other[key] ?? null) : own[key].every((side, index) => Math.abs(side - other[key][index]) <= 1));
}

function taken(listed) {
  const byName = new Map(findings.map((found) => [found.name, found]));
  const fitting = listed.filter((other) => Object.values(KEYS).includes(other?.decision)
    && byName.has(other.finding) && isSame(byName.get(other.finding), other));
  for (const other of fitting) decisions.set(other.finding, other.decision);
  return fitting.length;
}

async function load(event) {
  const file = event.target.files[0];
  if (!file) return;
  try {
    const content = JSON.parse(await file.text());
    if (content.torchghm_review !== page.form || !Array.isArray(content.decisions)) throw new TypeError("another form");
    const left = content.decisions.length - taken(content.decisions);
    notice = left ? `${left} decisions in ${file.name} are about other findings, and were left out` : "";
  } catch {
    notice = `${file.name} holds no decisions of this page`;
  }
  event.target.value = ""; // the same file may be opened again
  filter();
}

page.kinds.forEach((kind) => byId("kind").append(element("option", { value: kind, textContent: kind })));
page.classes.forEach((name, label) => byId("class").append(element("option", { value: label, textContent: name })));
for (const id of ["kind", "class", "low", "high", "open"]) byId(id).addEventListener("change", filter);
byId("before").addEventListener("click", () => turn(-1));
byId("after").addEventListener("click", () => turn(1));
byId("save").addEventListener("click", save);
byId("load").addEventListener("change", load);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /INPUT|SELECT/.test(event.target.tagName)) return;
  if (KEYS[event.key]) decide(KEYS[event.key]);
  else if (event.key === "u") decide(null);
  else if (event.key === "ArrowRight" || event.key === "j") step(1);
  else if (event.key === "ArrowLeft" || event.key === "k") step(-1);
  else if (event.key === "n") turn(1);
  else if (event.key === "p") turn(-1);
  else return;
  event.preventDefault();
});
filter();
