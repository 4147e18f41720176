// The page: send images to /predict, and show what the model says. No framework, no other server.
"use strict";

const AT_A_TIME = 3; // the server answers requests that come together in one batch
const PATIENCE_MS = 90_000; // opening the networks may take a minute
const TOKEN = "stackkit-token"; // forgotten when the tab closes
const find = (id) => document.getElementById(id);
const percent = (part) =>
  part > 0.995 && part < 1 ? "> 99 %" : part > 0 && part < 0.005 ? "< 1 %" : `${Math.round(part * 100)} %`;
const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

let limits = { upload_bytes: Infinity, images: 1 };
let asked = null; // one dialog for all requests that need the token
let sending = 0;
const waiting = [];

// ---- asking the server ----

async function ask(path, options = {}) {
  return (await answerOf(path, options)).json();
}

async function answerOf(path, options = {}) {
  const began = Date.now();
  for (;;) {
    const token = sessionStorage.getItem(TOKEN);
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    const answer = await fetch(path, { ...options, headers }).catch(() => {
      throw new Error("The server cannot be reached.");
    });
    if (answer.ok) return answer;
    if (answer.status === 401) {
      // Another request may have learned the token meanwhile.
      if (token === sessionStorage.getItem(TOKEN)) await askForToken(token !== null);
      continue;
    }
    if ([429, 503].includes(answer.status) && Date.now() - began < PATIENCE_MS) {
      await pause(Number(answer.headers.get("Retry-After")) || 1);
      continue;
    }
    const told = await answer.json().catch(() => null);
    throw new Error(told?.error?.message ?? `The server answers with status ${answer.status}.`);
  }
}

function askForToken(wasWrong) {
  asked ??= new Promise((done, refuse) => {
    const before = document.activeElement;
    if (wasWrong) find("ask-why").textContent = "This is not the server's token. Check it, and try again.";
    find("token").value = "";
    find("ask").onclose = () => {
      const given = find("token").value.trim();
      asked = null;
      before?.focus();
      if (!given) return refuse(new Error("The server needs its token."));
      sessionStorage.setItem(TOKEN, given);
      return done();
    };
    find("ask").showModal();
  });
  return asked;
}

// ---- showing answers ----

function element(tag, kind, text) {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  if (text !== undefined) made.textContent = text; // never HTML: names come from files
  return made;
}

function fill(list, items) {
  list.replaceChildren(...items);
  list.hidden = !items.length;
}

function tell(text, isError = false) {
  find("status").textContent = text;
  find("status").classList.toggle("error", isError);
}

function candidate({ label, probability }) {
  const row = element("li");
  const track = element("div", "track");
  const bar = element("div", "fill");
  bar.style.width = `${probability * 100}%`;
  track.setAttribute("aria-hidden", "true");
  track.append(bar);
  row.append(element("span", "name", label), element("span", "part", percent(probability)), track);
  return row;
}

function vote({ backbone, learner, label, probability }) {
  const row = element("tr");
  const voter = element("th", "voter", backbone);
  voter.scope = "row";
  voter.append(" ", element("span", "", learner));
  row.append(
    voter,
    element("td", "", label),
    element("td", "number", percent(probability)),
  );
  return row;
}

function neighbour({ image, label, similarity, thumbnail }) {
  const item = element("li");
  const picture = element("img");
  picture.alt = "";
  picture.title = image;
  // Fetched, because an image element cannot send the token.
  answerOf(thumbnail)
    .then((answer) => answer.blob())
    .then((blob) => (picture.src = URL.createObjectURL(blob)))
    .catch(() => picture.remove());
  item.append(picture, element("span", "", label), element("span", "part", similarity.toFixed(2)));
  return item;
}

function show(card, name, found) {
  const part = (kind) => card.querySelector(`.${kind}`);
  card.className = "card";
  const marks = [];
  if (found.novel) marks.push("Looks unlike all training images");
  if (!found.accepted) marks.push("Too uncertain: look at the image yourself");
  part("label").textContent = marks.length ? `${found.label}?` : found.label;
  card.classList.toggle("doubtful", marks.length > 0);
  fill(part("marks"), marks.map((text) => element("li", "", text)));
  fill(part("top"), found.top.map(candidate));
  fill(part("remarks"), found.remarks.map((text) => element("li", "", text)));
  part("similar").hidden = !found.neighbours.length;
  part("neighbours").replaceChildren(...found.neighbours.map(neighbour));
  part("votes").hidden = !found.votes.length;
  card.querySelector("tbody").replaceChildren(...found.votes.map(vote));
  part("unlike").textContent = `More unusual than ${percent(found.novelty)} of the training images.`;
  card.querySelector("img").alt = `${name}: ${found.label}`;
  tell([`${name}: ${found.label}, ${percent(found.probability)}`, ...marks].join(". "));
}

function fail(card, name, message, again) {
  card.className = "card failed";
  card.querySelector(".label").textContent = message;
  const button = card.querySelector(".again");
  button.hidden = false;
  button.onclick = () => {
    button.hidden = true;
    again();
  };
  tell(`${name}: ${message}`, true);
}

// ---- taking images ----

function add(files) {
  for (const file of files) {
    const card = find("card").content.firstElementChild.cloneNode(true);
    const image = card.querySelector("img");
    card.querySelector(".file").textContent = file.name;
    image.onerror = () => {
      image.hidden = true;
      card.querySelector(".no-preview").hidden = false;
    };
    image.src = URL.createObjectURL(file);
    find("list").prepend(card);
    enqueue(card, file);
  }
  find("answers").hidden = !find("list").childElementCount;
}

function enqueue(card, file) {
  card.className = "card waiting";
  card.querySelector(".label").textContent = "Waiting …";
  waiting.push({ card, file });
  next();
}

async function next() {
  if (sending >= AT_A_TIME || !waiting.length) return;
  const { card, file } = waiting.shift();
  if (!card.isConnected) return next(); // cleared
  sending += 1;
  tell(`Looking at ${file.name} …`);
  try {
    if (file.size > limits.upload_bytes - 2000) {
      throw new Error(`The file is larger than ${limits.upload_bytes / 1e6} MB.`);
    }
    const form = new FormData();
    form.append("images", file, file.name);
    const { predictions } = await ask("predict", { method: "POST", body: form });
    show(card, file.name, predictions[0]);
  } catch (error) {
    fail(card, file.name, error.message, () => enqueue(card, file));
  } finally {
    sending -= 1;
    next();
  }
}

function clear() {
  waiting.length = 0;
  for (const image of find("list").querySelectorAll("img")) URL.revokeObjectURL(image.src);
  find("list").replaceChildren();
  find("answers").hidden = true;
  tell("");
  find("choose").focus();
}

function listen() {
  for (const [button, input] of [["choose", "files"], ["photograph", "camera"]]) {
    find(button).onclick = () => find(input).click();
    find(input).onchange = () => {
      add(find(input).files);
      find(input).value = ""; // so that the same file can be chosen again
    };
  }
  find("clear").onclick = clear;
  const over = (event) => {
    event.preventDefault();
    find("drop").classList.toggle("over", event.type === "dragover");
  };
  for (const kind of ["dragover", "dragleave", "drop"]) document.addEventListener(kind, over);
  document.addEventListener("drop", (event) => add(event.dataTransfer.files));
  document.addEventListener("paste", (event) => add(event.clipboardData.files));
}

async function describe() {
  try {
    const model = await ask("model");
    limits = model.limits;
    document.title = model.name;
    find("name").textContent = model.name;
    const networks = model.networks.length === 1 ? "1 network" : `${model.networks.length} networks`;
    find("about").textContent = [`${model.classes.length} classes`, networks, model.accuracy]
      .filter(Boolean)
      .join(" · ");
    find("hint").textContent = `Up to ${Math.floor(limits.upload_bytes / 1e6)} MB per image`;
  } catch (error) {
    find("about").textContent = error.message;
  }
}

listen();
describe();
