import assert from 'node:assert/strict';
import {test} from 'node:test';
import {readUsualRequest} from './request-head.ts';

const BODY = '{"sql":"SELECT 1"}';
const LINE = 'POST /v1/api/sql HTTP/1.1\r\n';
const HOST = 'Host: localhost\r\n';
const LENGTH = `Content-Length: ${BODY.length}\r\n`;

const read = (text: string) => readUsualRequest(Buffer.from(text, 'latin1'));

const usual: [what: string, headers: string][] = [
  ['the least', HOST + LENGTH],
  ['names in any case', `hOST: localhost\r\ncontent-LENGTH: ${BODY.length}\r\n`],
  ['what a browser or fetch adds', `${HOST}Connection: keep-alive\r\nAccept: */*\r\nUser-Agent: a b\r\n${LENGTH}`],
  ['an empty value', `${HOST}${LENGTH}Accept: \r\n`],
];

for (const [what, headers] of usual) {
  test(`usual: ${what}`, () => {
    const found = read(`${LINE}${headers}\r\n${BODY}`);
    assert.equal(found?.headers['host'], 'localhost');
    assert.equal(found.bodyAt, LINE.length + headers.length + 2);
  });
}

const unusual: [what: string, text: string][] = [
  ['nothing', ''],
  ['an empty line before it', `\r\n${LINE}${HOST}${LENGTH}\r\n${BODY}`],
  ['another method', `PUT /v1/api/sql HTTP/1.1\r\n${HOST}${LENGTH}\r\n${BODY}`],
  ['another version', `POST /v1/api/sql HTTP/1.0\r\n${HOST}${LENGTH}\r\n${BODY}`],
  ['another path', `POST /v1/api/sql?x HTTP/1.1\r\n${HOST}${LENGTH}\r\n${BODY}`],
  ['no host', `${LINE}${LENGTH}\r\n${BODY}`],
  ['no length', `${LINE}${HOST}\r\n${BODY}`],
  ['two lengths', `${LINE}${HOST}${LENGTH}${LENGTH}\r\n${BODY}`],
  ['two hosts', `${LINE}${HOST}${HOST}${LENGTH}\r\n${BODY}`],
  ['two user ids', `${LINE}${HOST}${LENGTH}X-USER-ID: a\r\nx-user-id: b\r\n\r\n${BODY}`],
  ['a length with a sign', `${LINE}${HOST}Content-Length: +${BODY.length}\r\n\r\n${BODY}`],
  ['a length with a zero before it', `${LINE}${HOST}Content-Length: 0${BODY.length}\r\n\r\n${BODY}`],
  ['a length list', `${LINE}${HOST}Content-Length: ${BODY.length}, ${BODY.length}\r\n\r\n${BODY}`],
  ['a length beyond all', `${LINE}${HOST}Content-Length: 9999999999\r\n\r\n${BODY}`],
  ['chunks', `${LINE}${HOST}${LENGTH}Transfer-Encoding: chunked\r\n\r\n${BODY}`],
  ['a body not yet whole', `${LINE}${HOST}${LENGTH}\r\n${BODY.slice(0, -1)}`],
  ['bytes behind the body', `${LINE}${HOST}${LENGTH}\r\n${BODY}P`],
  ['a head not yet whole', `${LINE}${HOST}${LENGTH}`],
  ['a line that ends without CR', `${LINE}Host: localhost\n${LENGTH}\r\n${BODY}`],
  ['a CR inside a line', `${LINE}Host: local\rhost\r\n${LENGTH}\r\n${BODY}`],
  ['a line that goes on in the next', `${LINE}${HOST}Accept: a\r\n b\r\n${LENGTH}\r\n${BODY}`],
  ['a blank before the colon', `${LINE}Host : localhost\r\n${LENGTH}\r\n${BODY}`],
  ['no blank behind the colon', `${LINE}Host:localhost\r\n${LENGTH}\r\n${BODY}`],
  ['a blank behind the value', `${LINE}Host: localhost \r\n${LENGTH}\r\n${BODY}`],
  ['a tab in a value', `${LINE}${HOST}Accept: a\tb\r\n${LENGTH}\r\n${BODY}`],
  ['a byte beyond ASCII', `${LINE}${HOST}X-USER-ID: \xc3\xa9\r\n${LENGTH}\r\n${BODY}`],
  ['a NUL', `${LINE}${HOST}Accept: \0\r\n${LENGTH}\r\n${BODY}`],
  ['a line without a name', `${LINE}${HOST}: x\r\n${LENGTH}\r\n${BODY}`],
  ['a header it does not know', `${LINE}${HOST}X-Other: 1\r\n${LENGTH}\r\n${BODY}`],
  ['a name of the object prototype', `${LINE}${HOST}constructor: 1\r\n${LENGTH}\r\n${BODY}`],
  ['a page', `${LINE}${HOST}Origin: http://localhost\r\n${LENGTH}\r\n${BODY}`],
  ['an id of the caller', `${LINE}${HOST}X-Request-ID: 1\r\n${LENGTH}\r\n${BODY}`],
  ['an expectation', `${LINE}${HOST}Expect: 100-continue\r\n${LENGTH}\r\n${BODY}`],
  ['the wish to close', `${LINE}${HOST}Connection: close\r\n${LENGTH}\r\n${BODY}`],
  ['an upgrade', `${LINE}${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n${LENGTH}\r\n${BODY}`],
  ['an encoded body', `${LINE}${HOST}Content-Encoding: gzip\r\n${LENGTH}\r\n${BODY}`],
  ['a head of 5 kB', `${LINE}${HOST}User-Agent: ${'x'.repeat(5000)}\r\n${LENGTH}\r\n${BODY}`],
];

for (const [what, text] of unusual) test(`left to node:http: ${what}`, () => assert.equal(read(text), undefined));
