/**
 * The chat in two browsers: what one user writes is on both screens, also after one of them had no network for a while.
 */
import assert from 'node:assert/strict';
import {existsSync} from 'node:fs';
import {after, before, describe, test} from 'node:test';
import {type Browser, chromium, type Page} from 'playwright-core';
import {type Cable, layCable} from '../../packages/client/test/cable.ts';
import {type Chat, startChat} from './chat.ts';

const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const executablePath = BROWSERS.find(path => existsSync(path));
const skip = executablePath === undefined && 'no Chromium is installed, so the chat was not tried in a browser';
/** Far more than it takes, for machines that are busy with other things. */
const TIMEOUT_MS = 60_000;

describe('the chat', {skip, timeout: 120_000}, () => {
  let chat: Chat;
  let browser: Browser;
  let cable: Cable;
  const problems: string[] = [];

  before(async () => {
    chat = await startChat({port: 0});
    cable = await layCable(Number(new URL(chat.databaseUrl).port));
    browser = await chromium.launch({executablePath: executablePath!, args: ['--no-sandbox']});
  });

  after(async () => {
    await browser?.close();
    await cable?.close();
    await chat?.stop();
  });

  test('two users, one of whom loses the network twice: both screens are right at the end', async () => {
    const ana = await open('ana', 'ana-likes-tea');
    const ben = await open('ben', 'ben-likes-rain', cable);

    await say(ana, 'hello ben');
    await shows(ben, ['hello ben']);
    await ben.locator('#composer input').pressSequentially('hi');
    await ana.getByText('ben is typing…').waitFor();
    await ben.keyboard.press('Enter');
    await shows(ana, ['hello ben', 'hi']);
    await ana.locator('#typing').filter({hasText: /^$/}).waitFor({state: 'attached'});

    cable.pull();
    await ben.locator('#status[data-status=stale]').waitFor();
    await say(ana, 'are you there?');
    await say(ana, 'it is raining');
    await shows(ana, ['hello ben', 'hi', 'are you there?', 'it is raining']);
    // Messages are in the order in which they came to the server.
    await ana.locator('.unsent').first().waitFor({state: 'detached'});
    await say(ben, 'written without a network');
    await shows(ben, ['hello ben', 'hi', 'written without a network']);
    cable.plug();
    const all = ['hello ben', 'hi', 'are you there?', 'it is raining', 'written without a network'];
    await shows(ana, all);
    await shows(ben, all);

    await ben.context().setOffline(true);
    await ben.locator('#status[data-status=stale]').waitFor();
    await say(ana, 'gone again');
    await ben.context().setOffline(false);
    await shows(ben, [...all, 'gone again']);
    await shows(ana, [...all, 'gone again']);
    assert.equal(await ben.locator('.unsent').count(), 0);
    assert.deepEqual(problems, []);
  });

  test('a new account, a new room, and unread counts that are each user’s own', async () => {
    const cleo = await open('cleo', 'cleo-likes-cats', undefined, 'Make an account');
    const ana = await open('ana', 'ana-likes-tea');
    await cleo.getByPlaceholder('New room').fill('cats');
    await cleo.getByPlaceholder('New room').press('Enter');
    await ana.locator('#rooms button', {hasText: 'cats'}).waitFor();
    await cleo.locator('#room', {hasText: 'cats'}).waitFor();
    await say(cleo, '<b>meow</b>');
    await ana.locator('#rooms button', {hasText: 'cats'}).locator('.badge', {hasText: '1'}).waitFor();
    await ana.locator('#rooms button', {hasText: 'cats'}).click();
    await shows(ana, ['<b>meow</b>']);
    await ana.locator('#rooms button', {hasText: 'lobby'}).click();
    assert.equal(await ana.locator('.badge').count(), 0);
    await ana.reload();
    await signIn(ana, 'ana', 'ana-likes-tea');
    await ana.locator('#rooms button', {hasText: 'cats'}).waitFor();
    await ana.locator('#status[data-status=live]').waitFor();
    assert.equal(await ana.locator('.badge', {hasText: '1'}).count(), 0, 'what was read is in her own table');
    assert.deepEqual(problems, []);
  });

  test('a wrong password and a taken name are told, and nobody speaks as somebody else', async () => {
    const page = await (await browser.newContext()).newPage();
    await page.goto(chat.url);
    await signIn(page, 'ana', 'wrong-password');
    await page.locator('.problem', {hasText: 'Invalid credentials'}).waitFor();
    await signIn(page, 'ana', 'another-password', 'Make an account');
    await page.locator('.problem', {hasText: /exists/}).waitFor();
    const answer = await fetch(`${chat.url}/messages`, {
      method: 'POST',
      headers: {'Content-Type': 'application/json', Authorization: 'Bearer none'},
      body: JSON.stringify({id: crypto.randomUUID(), room: 'lobby', body: 'x', author: 'ana'}),
    });
    assert.equal(answer.status, 401);
  });

  async function open(user: string, password: string, through?: Cable, button?: string): Promise<Page> {
    const context = await browser.newContext({viewport: {width: 1000, height: 640}});
    context.setDefaultTimeout(TIMEOUT_MS);
    const page = await context.newPage();
    page.on('pageerror', error => problems.push(`${user}: ${error.stack ?? error.message}`));
    if (through !== undefined)
      await page.route('**/config.json', route => route.fulfill({json: {url: `http://127.0.0.1:${through.port}`}}));
    await page.goto(chat.url);
    await signIn(page, user, password, button);
    await page.locator('#status[data-status=live]').waitFor();
    return page;
  }
});

async function signIn(page: Page, user: string, password: string, button = 'Sign in'): Promise<void> {
  await page.getByLabel('Name').fill(user);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', {name: button}).click();
}

async function say(page: Page, text: string): Promise<void> {
  await page.locator('#composer input').fill(text);
  await page.keyboard.press('Enter');
}

/** Waits until these are the messages on the screen, in this order and no others. */
async function shows(page: Page, texts: readonly string[]): Promise<void> {
  await page
    .waitForFunction(
      expected =>
        // The function runs in the page, of which the types here know nothing.
        JSON.stringify(
          [...(globalThis as unknown as {document: ParentNodeLike}).document.querySelectorAll('#messages .body')].map(
            body => body.textContent,
          ),
        ) === expected,
      JSON.stringify(texts),
    )
    .catch(async error => {
      const shown = await page.locator('#messages .body').allTextContents();
      throw new Error(`on the screen is ${JSON.stringify(shown)}, not ${JSON.stringify(texts)}`, {cause: error});
    });
}

interface ParentNodeLike {
  querySelectorAll(selector: string): Iterable<{readonly textContent: string}>;
}
