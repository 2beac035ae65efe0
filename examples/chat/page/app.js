/**
 * App: the page of the chat. What is on the screen is drawn from live queries; a reload, a second window and a lost network need no code of
 * their own. What this user writes to others goes to the page's server, which says who wrote it; how far they have read goes straight into
 * their own table.
 */
import {Auth, createClient} from './client/index.js';

const TYPING_MS = 6000;
const SAY_TYPING_MS = 3000;
const RETRY_MS = 2000;
const KEPT_MESSAGES = 500;

const $ = selector => document.querySelector(selector);
const {url} = await (await fetch('config.json')).json();

/** What is true while somebody is signed in. */
let chat;
/** Others were told last. */
let saidTypingAt = 0;

// ---- signing in ----------------------------------------------------------------------------------------------------------------------

$('#sign-in').addEventListener('submit', async event => {
  event.preventDefault();
  const {user, password} = Object.fromEntries(new FormData(event.target));
  const problem = $('#sign-in .problem');
  problem.textContent = '';
  try {
    if (event.submitter?.name === 'up') await post('/sign-up', {user, password});
    await signIn(user, password);
    event.target.reset();
  } catch (error) {
    problem.textContent = error.message;
  }
});

$('#sign-out').addEventListener('click', () => {
  void chat?.client.shutdown();
  chat = undefined;
  show();
});

async function signIn(user, password) {
  const client = createClient({url, authProvider: () => Auth.basic(user, password)});
  await client.login();
  chat = {client, user, room: 'lobby', outbox: [], heardTyping: new Map(), queries: {}};
  const {queries} = chat;
  queries.rooms = client.table('chat.rooms').liveQuery();
  queries.people = client.table('chat.people').liveQuery();
  queries.reads = client.table('chat.reads').liveQuery();
  queries.typing = client.table('chat.typing').liveQuery();
  queries.messages = client.table('chat.messages').liveQuery({
    limit: KEPT_MESSAGES,
    compare: (a, b) => a.sent_at - b.sent_at,
  });
  for (const query of Object.values(queries)) query.watch(drawSoon);
  show();
}

function show() {
  $('#sign-in').hidden = chat !== undefined;
  $('#chat').hidden = chat === undefined;
  if (chat === undefined) return;
  $('.me').textContent = chat.user;
  drawSoon();
  $('#composer input').focus();
}

show();

// ---- drawing -------------------------------------------------------------------------------------------------------------------------

let isDrawing = false;

/** Once per frame, however many commits there were. */
function drawSoon() {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    if (chat !== undefined) draw();
  });
}

function draw() {
  const {queries, room, user} = chat;
  const messages = queries.messages.state.rows;
  const sentIds = new Set(messages.map(message => message.id));
  chat.outbox = chat.outbox.filter(message => !sentIds.has(message.id));
  drawStatus(queries.messages.state);
  drawRooms(messages);
  $('#people').replaceChildren(
    ...queries.people.state.rows.map(({name}) => element('li', {}, face(name), name === user ? `${name} (you)` : name)),
  );
  $('#room').textContent = room;
  $('#composer input').placeholder = `Message to ${room}`;
  drawMessages(messages.filter(message => message.room === room));
  drawTyping(messages);
  markRead(messages);
}

function drawStatus({status, error}) {
  const texts = {
    loading: 'Connecting…',
    live: 'Connected',
    stale: 'No connection. What you write is sent when it is back.',
    ended: error?.message ?? 'Ended',
  };
  $('#status').dataset.status = status;
  $('#status').textContent = texts[status];
}

function drawRooms(messages) {
  const readAt = new Map(chat.queries.reads.state.rows.map(read => [read.room, read.read_at]));
  const buttons = chat.queries.rooms.state.rows.map(({name}) => {
    const isNew = message =>
      message.room === name && message.author !== chat.user && message.sent_at > (readAt.get(name) ?? 0);
    const count = name === chat.room ? 0 : messages.filter(isNew).length;
    const button = element('button', {type: 'button'}, name);
    if (count > 0) button.append(element('span', {className: 'badge'}, String(count)));
    if (name === chat.room) button.setAttribute('aria-current', 'true');
    button.addEventListener('click', () => {
      enter(name);
    });
    return element('li', {}, button);
  });
  $('#rooms').replaceChildren(...buttons);
}

function enter(room) {
  chat.room = room;
  saidTypingAt = 0;
  drawSoon();
}

function drawMessages(messages) {
  const list = $('#messages');
  const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  const unsent = chat.outbox.filter(message => message.room === chat.room);
  list.replaceChildren(
    ...messages.map(message => drawMessage(message)),
    ...unsent.map(message => drawMessage({...message, author: chat.user}, message.problem ?? 'sending…')),
  );
  if (isAtEnd) list.scrollTop = list.scrollHeight;
}

/** `note` stands in place of the time of a message that is not in the database. */
function drawMessage({id, author, body, sent_at}, note) {
  const when = note === undefined ? timeOf(sent_at) : element('small', {}, note);
  const text = element(
    'div',
    {className: 'text'},
    element('div', {className: 'author'}, author),
    element('span', {className: 'body'}, body),
    when,
  );
  const item = element('li', {}, face(author), text);
  item.classList.toggle('mine', author === chat.user);
  item.classList.toggle('unsent', note !== undefined);
  item.dataset.id = id;
  return item;
}

function timeOf(micros) {
  const time = new Date(micros / 1000);
  const text = time.toLocaleTimeString([], {hour: '2-digit', minute: '2-digit'});
  return element('time', {dateTime: time.toISOString()}, text);
}

/** A row is shown for the seconds it lives, and not when its author has sent something since. */
function drawTyping(messages) {
  const {heardTyping, queries, room} = chat;
  const lastOf = new Map(messages.map(message => [message.author, BigInt(message._seq)]));
  const now = Date.now();
  const names = new Set();
  for (const {_seq, author, room: where} of queries.typing.state.rows) {
    if (!heardTyping.has(_seq)) {
      heardTyping.set(_seq, now);
      setTimeout(drawSoon, TYPING_MS);
    }
    const isOver = now - heardTyping.get(_seq) >= TYPING_MS || BigInt(_seq) < (lastOf.get(author) ?? 0n);
    if (!isOver && where === room) names.add(author);
  }
  const list = [...names].join(' and ');
  $('#typing').textContent = list === '' ? '' : `${list} ${names.size === 1 ? 'is' : 'are'} typing…`;
}

/** Straight into this user's own table: nobody else has that row. */
function markRead(messages) {
  const last = messages.findLast(message => message.room === chat.room);
  const {status, rows} = chat.queries.reads.state;
  const known = rows.find(read => read.room === chat.room)?.read_at ?? 0;
  if (last === undefined || status !== 'live' || document.hidden) return;
  if (last.sent_at <= Math.max(known, chat.markedAt ?? 0)) return;
  chat.markedAt = last.sent_at;
  chat.client
    .query(
      'INSERT INTO chat.reads (room, read_at) VALUES ($1, $2) ON CONFLICT (room) DO UPDATE SET read_at = EXCLUDED.read_at',
      [chat.room, new Date(last.sent_at / 1000)],
    )
    .catch(() => {
      // The next message marks it.
      chat.markedAt = 0;
    });
}

document.addEventListener('visibilitychange', drawSoon);
window.addEventListener('resize', () => {
  $('#messages').scrollTop = $('#messages').scrollHeight;
});

// ---- writing -------------------------------------------------------------------------------------------------------------------------

$('#composer').addEventListener('submit', event => {
  event.preventDefault();
  const input = event.target.elements.body;
  const body = input.value.trim();
  if (body === '') return;
  chat.outbox.push({id: crypto.randomUUID(), room: chat.room, body});
  input.value = '';
  saidTypingAt = 0;
  drawSoon();
  void sendOutbox(chat);
});

$('#composer input').addEventListener('input', event => {
  if (event.target.value === '' || Date.now() - saidTypingAt < SAY_TYPING_MS) return;
  saidTypingAt = Date.now();
  postAs(chat, '/typing', {room: chat.room}).catch(() => {
    // It was of use only now.
  });
});

$('#open-room').addEventListener('submit', async event => {
  event.preventDefault();
  const input = event.target.elements.name;
  try {
    await postAs(chat, '/rooms', {name: input.value});
    enter(input.value);
    input.value = '';
    input.setCustomValidity('');
  } catch (error) {
    input.setCustomValidity(error.message);
    input.reportValidity();
  }
});

$('#open-room input').addEventListener('input', event => event.target.setCustomValidity(''));

/** In order, each until it is taken. One that comes twice is the same message, by its id. */
async function sendOutbox(of) {
  if (of.isSending) return;
  of.isSending = true;
  for (let next = unsentOf(of); next !== undefined && chat === of; next = unsentOf(of)) {
    try {
      await postAs(of, '/messages', {id: next.id, room: next.room, body: next.body});
      next.isSent = true;
    } catch (error) {
      if (error.isFinal) next.problem = error.message;
      else await new Promise(resolve => setTimeout(resolve, RETRY_MS));
    }
  }
  of.isSending = false;
}

function unsentOf({outbox}) {
  return outbox.find(message => !message.isSent && message.problem === undefined);
}

async function postAs({client}, path, fields) {
  return await post(path, fields, {Authorization: `Bearer ${await client.accessToken()}`});
}

async function post(path, fields, headers = {}) {
  const response = await fetch(path, {
    method: 'POST',
    headers: {'Content-Type': 'application/json', ...headers},
    body: JSON.stringify(fields),
  });
  if (response.ok) return;
  const {message} = await response.json().catch(() => ({message: 'The server did not understand.'}));
  throw Object.assign(new Error(message), {isFinal: response.status < 500});
}

// ---- elements ------------------------------------------------------------------------------------------------------------------------

/** Texts become text nodes, never markup. */
function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function face(name) {
  const made = element('span', {className: 'face', ariaHidden: 'true'}, name.slice(0, 2));
  let hue = 0;
  for (const letter of name) hue = (hue * 31 + letter.codePointAt(0)) % 360;
  made.style.setProperty('--hue', String(hue));
  return made;
}
