import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {Incarnation, UserId} from '../model/names.ts';
import type {AccessLevel, Schema, TableKindName} from '../model/schema.ts';
import type {Session} from '../model/session.ts';
import {type Access, isAdmin, ROLES} from './roles.ts';
import {scopeFor} from './scope.ts';
import {developmentSession} from './sessions.ts';

function schemaOf(kind: TableKindName, accessLevel: AccessLevel | null): Schema {
  return {
    incarnation: 70 as Incarnation,
    name: {namespace: kind === 'system' ? 'system' : 'app', table: 't'},
    kind,
    version: 1,
    columns: [],
    primaryKey: 0,
    options: {storageId: 'local', flushPolicy: null, accessLevel, deletedRetentionHours: 1, ttlSeconds: null},
    createdAt: 0n,
    updatedAt: 0n,
  };
}

// One letter per role in the order of ROLES: y may, - may not.
const cases: [kind: TableKindName, level: AccessLevel | null, what: Access, allowed: string, denial: RegExp][] = [
  ['user', null, 'read', '-yyyy', /User table access denied/],
  ['user', null, 'write', '-yyyy', /User table write denied due to insufficient privileges\.$/],
  ['stream', null, 'write', '-yyyy', /User table write denied due to insufficient privileges\.$/],
  ['shared', 'public', 'read', 'yyyyy', /never/],
  [
    'shared',
    'public',
    'write',
    '--yyy',
    /cannot access table 'app\.t'\. Shared table write denied \(access_level=Public\)$/,
  ],
  ['shared', 'private', 'read', '--yyy', /Shared table access denied \(access_level=Private\)$/],
  ['shared', 'private', 'write', '--yyy', /Shared table write denied \(access_level=Private\)$/],
  ['shared', 'restricted', 'read', '--yyy', /access_level=Restricted/],
  ['shared', 'restricted', 'write', '--yyy', /access_level=Restricted/],
  ['shared', 'dba', 'read', '---yy', /access_level=Dba/],
  ['shared', 'dba', 'write', '---yy', /access_level=Dba/],
  ['shared', null, 'read', '--yyy', /access_level=Private/],
  [
    'system',
    null,
    'read',
    '---yy',
    /^Unauthorized: Access denied: Role '\w+' cannot access table 'system\.t'\. System tables require 'dba' or 'system' role\.$/,
  ],
  ['system', null, 'write', '-----', /System tables require|Cannot write system table 'system\.t'$/],
];

for (const [kind, level, what, allowed, denial] of cases) {
  test(`${kind} ${level ?? ''} ${what}: exactly the listed roles may`, () => {
    for (const [i, role] of ROLES.entries()) {
      const session: Session = {userId: 'ana' as UserId, role, proof: {kind: 'development'}};
      const attempt = () => scopeFor(session, schemaOf(kind, level), what);
      if (allowed[i] === 'y') {
        const owner = kind === 'user' || kind === 'stream' ? 'ana' : null;
        assert.deepEqual({...attempt()}, {incarnation: 70, owner}, role);
      } else assert.throws(attempt, {code: 'PERMISSION_DENIED', message: denial}, role);
    }
  });
}

test('a scope of a user table is the own one for every role, the highest too', () => {
  const scope = scopeFor(developmentSession(undefined), schemaOf('user', null), 'read');
  assert.equal(scope.owner, 'root');
});

test('without a name the caller is root with role system, with one a dba', () => {
  const proof = {kind: 'development'};
  assert.deepEqual(developmentSession(undefined), {userId: 'root', role: 'system', proof});
  assert.deepEqual(developmentSession('ana'), {userId: 'ana', role: 'dba', proof});
  assert.ok(isAdmin(developmentSession('ana')));
});

for (const bad of ['', '../x', 'a/b', 'a\\b', 'a\0b', 'x'.repeat(129)]) {
  test(`a name that could leave its place is refused: ${JSON.stringify(bad.slice(0, 8))}`, () => {
    assert.throws(() => developmentSession(bad), {name: 'DbError'});
  });
}
