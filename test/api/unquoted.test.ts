import {
  isInputObjectType, isListType, isNonNullType, OperationTypeNode, parse, specifiedRules, validate,
  type GraphQLArgument, type GraphQLError, type GraphQLInputType, type GraphQLSchema,
  type OperationDefinitionNode,
} from 'graphql';
import { getVariableValues } from 'graphql/execution/values.js';
import { beforeAll, describe, expect, test } from 'vitest';

import { maskError } from '../../src/graphql/errors.ts';
import { buildTopupSchema } from '../../src/graphql/schema.ts';
import { authorization, JSON_TYPE } from '../support/doors.ts';
import { SocketPeer } from '../support/socket-peer.ts';
import { useWorld } from '../support/world.ts';

const world = useWorld({ role: 'gateway' });

const DIGITS = '918879685100';
/** A value of every kind with the same digits in it; each is wrong almost everywhere. */
const VALUES: readonly (readonly [json: unknown, literal: string])[] = [
  [`+${DIGITS}`, `"+${DIGITS}"`],
  [Number(DIGITS), DIGITS],
  [Number(`${DIGITS}.5`), `${DIGITS}.5`],
  [[`; at "a" found "${DIGITS}`], `["; at \\"a\\" found \\"${DIGITS}"]`],
  [{ value: `"${DIGITS}" enum.` }, `{value: "\\"${DIGITS}\\" enum."}`],
  [`Value "A${DIGITS}" does not exist in "B" enum.`, `A${DIGITS}`],
];

let schema: GraphQLSchema;
beforeAll(async () => {
  schema = await buildTopupSchema();
});

/** The text of a value, in the text of what it stands in. */
type Around = (value: string) => string;

interface Place {
  readonly literal: Around;
  readonly json: Around;
}

const ALONE: Place = { literal: (value) => value, json: (value) => value };

/** Every place in an input type where a value can stand. */
function placesIn(type: GraphQLInputType, around = ALONE): readonly Place[] {
  if (isNonNullType(type)) return placesIn(type.ofType, around);
  if (isListType(type)) {
    return [around, ...placesIn(type.ofType, {
      literal: (value) => around.literal(`[${value}]`),
      json: (value) => around.json(`[${value}]`),
    })];
  }
  if (!isInputObjectType(type)) return [around];
  return [around, ...Object.values(type.getFields()).flatMap((field) => placesIn(field.type, {
    literal: (value) => around.literal(`{${field.name}: ${value}}`),
    json: (value) => around.json(`{"${field.name}":${value}}`),
  }))];
}

const messageOf = (error: unknown): string => maskError(error).message;

interface RootArgument extends GraphQLArgument {
  /** An operation with the field that takes it, as a text up to its arguments. */
  readonly start: string;
}

function rootArguments(): readonly RootArgument[] {
  return Object.values(OperationTypeNode).flatMap((operation) =>
    Object.values(schema.getRootType(operation)?.getFields() ?? {}).flatMap(({ name, args }) =>
      args.map((argument) => ({ ...argument, start: `${operation} { ${name}` }))));
}

/** The errors of a value for a variable of the type. */
function errorsOfVariable(type: GraphQLInputType, json: string): readonly GraphQLError[] {
  const { definitions: [operation] } = parse(`query ($input: ${String(type)}) { a }`);
  const { variableDefinitions = [] } = operation as OperationDefinitionNode;
  const { errors } = getVariableValues(schema, variableDefinitions, { input: JSON.parse(json) });
  return errors ?? [];
}

describe('no message quotes a value', () => {
  test('that stands in the wrong place of any argument, as a literal', () => {
    let count = 0;
    for (const argument of rootArguments()) {
      for (const place of placesIn(argument.type)) {
        for (const [, value] of VALUES) {
          const source = `${argument.start}(${argument.name}: ${place.literal(value)}) }`;
          const errors = validate(schema, parse(source), specifiedRules);
          for (const message of errors.map(messageOf)) expect(message).not.toContain(DIGITS);
          count += errors.length;
        }
      }
    }
    expect(count).toBeGreaterThan(500);
  });

  test('that stands in the wrong place of any variable', () => {
    let count = 0;
    for (const { type } of rootArguments()) {
      for (const place of placesIn(type)) {
        for (const [value] of VALUES) {
          const errors = errorsOfVariable(type, place.json(JSON.stringify(value)));
          for (const message of errors.map(messageOf)) expect(message).not.toContain(DIGITS);
          count += errors.length;
        }
      }
    }
    expect(count).toBeGreaterThan(500);
  });

  test.each([
    `{ a(b "${DIGITS}") }`, `{ a(b """${DIGITS}""") }`, `{ a(b ${DIGITS}) }`, `{ a(b A${DIGITS}) }`,
    `{ a(b -${DIGITS}.5) }`, `{ a(b: $${DIGITS}) }`, `{ a(b "Name \\"${DIGITS}\\"") }`,
    `A${DIGITS}`, `"${DIGITS}"`, `{ a(b: "${DIGITS}) }`, `{ a(b: 0${DIGITS}) }`,
  ])('that makes no syntax: %s', (source) => {
    const message = messageOf(errorOf(() => parse(source)));
    expect(message).toMatch(/^Syntax Error: /);
    expect(message).not.toContain(DIGITS);
  });
});

function errorOf(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    return error;
  }
}

const CREATE = `mutation ($input: CreateTopupOrderInput!) {
  createTopupOrder(input: $input) { order { orderId } userErrors { code } } }`;
const literally = (input: string): string => CREATE.replace('($input: CreateTopupOrderInput!)', '')
  .replace('$input', `{productId: 5001, amount: "10", ${input}}`);
const withInput = (input: object): object =>
  ({ input: { productId: 5001, amount: '10', ...input } });

describe('a message still says what is wrong and where, on either transport', () => {
  test.each([
    ['of the wrong kind', CREATE, withInput({ inputData: [{ name: 'a', value: { v: DIGITS } }] }),
      'Variable "$input" got an invalid value at "input.inputData[0].value"; '
        + 'String cannot represent a non string value.'],
    ['under a misspelt key', CREATE,
      withInput({ inputData: [{ name: 'a', value: 'b', valu: DIGITS }] }),
      'Variable "$input" got an invalid value at "input.inputData[0]"; '
        + 'Field "valu" is not defined by type "InputFieldValueInput".'],
    ['in a list', CREATE, withInput({ redeemVoucherCode: [DIGITS] }),
      'Variable "$input" got an invalid value at "input.redeemVoucherCode"; '
        + 'String cannot represent a non string value.'],
    ['of an enum', CREATE, withInput({ category: `A${DIGITS}` }),
      'Variable "$input" got an invalid value at "input.category"; '
        + 'The value does not exist in "VariantCategory" enum.'],
    ['of a scalar of ours', CREATE, withInput({ amount: `${DIGITS},5` }),
      'Variable "$input" got an invalid value at "input.amount"; '
        + 'Decimal must be a plain decimal string or an integer of at most 32 characters'],
    ['as the whole variable', CREATE, { input: DIGITS },
      'Variable "$input" got an invalid value; '
        + 'Expected type "CreateTopupOrderInput" to be an object.'],
    ['written out, of the wrong kind', `{ lookupMobileNumber(mobileNumber: ${DIGITS}) {
      isIdentified } }`, {}, 'String cannot represent a non string value.'],
    ['written out, in a list', literally(`redeemVoucherCode: ["${DIGITS}"]`), {},
      'String cannot represent a non string value.'],
    ['written out, where an object is due', literally(`inputData: "${DIGITS}"`), {},
      'Expected value of type "[InputFieldValueInput!]!".'],
    ['written out, under a misspelt key', literally(`voucher: "${DIGITS}"`), {},
      'Field "voucher" is not defined by type "CreateTopupOrderInput".'],
    ['written out, of an enum', literally(`category: "${DIGITS}"`), {},
      'Enum "VariantCategory" cannot represent non-enum value.'],
    ['without its colon', literally(`redeemVoucherCode "${DIGITS}"`), {},
      'Syntax Error: Expected ":", found String.'],
  ])('%s', async (_what, query, variables, message) => {
    const { url } = world().gateway;
    const response = await fetch(`${url}/graphql`, {
      method: 'POST', headers: { ...JSON_TYPE, ...authorization(world(), 1) },
      body: JSON.stringify({ query, variables }),
    });
    const text = await response.text();
    expect(text).not.toContain(DIGITS);
    const messages = (JSON.parse(text) as { errors: GraphQLError[] }).errors
      .map((error) => error.message);
    expect(messages).toEqual([message]);
    const peer = await new SocketPeer(url).acknowledgedBy(`Bearer ${world().token(1)}`);
    peer.subscribe('1', query, variables);
    const { payload } = await peer.heard();
    peer.terminate();
    expect(JSON.stringify(payload)).not.toContain(DIGITS);
    expect((payload.errors ?? payload).map((error: GraphQLError) => error.message))
      .toEqual(messages);
  });
});
