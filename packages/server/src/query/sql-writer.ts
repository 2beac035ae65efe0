/**
 * SQL writer: collects what one execution sends along with its SQL: values as parameters, and programs for what only our own code answers.
 *
 * Law: nothing of a statement enters the SQL as text but digits that we made from values, and names of columns, quoted.
 */
import type {ProgramSpec} from '../duck/duck.ts';
import {duckType, programCall} from '../duck/duck-type.ts';
import {castSql, sqlOf} from '../expr/duck-forms.ts';
import type {ColumnScope, Env, SqlWriter} from '../expr/expr.ts';
import {castProgram, programOf} from '../expr/program.ts';
import type {DataType, Value} from '../model/datatype.ts';
import {valueText} from '../model/values.ts';
import type {Expr} from '../parser/ast.ts';

export class DuckSqlWriter implements SqlWriter {
  readonly env: Env;
  readonly params: {type: DataType; value: Value}[] = [];
  readonly programs: ProgramSpec[] = [];
  readonly #known = new Map<string, number>();

  constructor(env: Env) {
    this.env = env;
  }

  value(type: DataType, value: Value): string {
    if (value === null) return `CAST(NULL AS ${duckType(type)})`;
    switch (type.name) {
      case 'boolean':
        return value === true ? 'TRUE' : 'FALSE';
      case 'smallint':
      case 'int':
      case 'bigint':
        return castSql(String(value), type);
      case 'decimal':
        return castSql(`'${valueText(type, value)}'`, type);
      default:
        return this.given(type, value);
    }
  }

  given(type: DataType, value: Value): string {
    return castSql(`$${this.params.push({type, value})}`, type);
  }

  program(expr: Expr, scope: ColumnScope, type: DataType): string {
    const {text, args} = programOf(expr, scope);
    const sqls = args.map(arg => castSql(sqlOf(arg, this), arg.type));
    return this.#call({text, args: args.map(arg => arg.type), result: type}, sqls);
  }

  convert(sql: string, from: DataType, to: DataType): string {
    return this.#call({text: castProgram(from, to), args: [from], result: to}, [castSql(sql, from)]);
  }

  #call(program: ProgramSpec, sqls: readonly string[]): string {
    const known = this.#known.get(program.text);
    const number = known ?? this.programs.push(program) - 1;
    if (known === undefined) this.#known.set(program.text, number);
    return programCall(number, program.result, sqls);
  }
}
