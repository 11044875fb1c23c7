// Reads a JSON Schema: which kind of field asks for a value, and what stands in it at first. Draws nothing.
import { FILE_MARK } from "./file.js";

export function shapeOf(schema, whole) {
  let read = unfold(schema, whole);
  let nullable = read.type === "null";
  const choices = read.anyOf || read.oneOf;
  if (choices) {
    const others = choices.map((one) => unfold(one, whole)).filter((one) => one.type !== "null");
    nullable ||= others.length < choices.length;
    const { anyOf, oneOf, ...rest } = read;
    if (others.length === 1) read = { ...others[0], ...rest };
    else if (others.every((one) => isNumber(one) && !one.enum)) read = { ...Object.assign({}, ...others), type: "number", ...rest };
    else return { ...rest, kind: "variant", nullable, variants: others };
  }
  if (Array.isArray(read.type)) {
    nullable ||= read.type.includes("null");
    read = { ...read, type: read.type.find((one) => one !== "null") };
  }
  return { ...read, kind: kindOf(read), nullable };
}

function unfold(schema, whole, depth = 0) {
  if (typeof schema !== "object" || schema === null) return {};
  const { $ref, allOf, ...rest } = schema;
  const parts = [...(allOf || []), ...($ref ? [at($ref, whole)] : [])];
  if (!parts.length || depth > 20) return rest;
  return Object.assign({}, ...parts.map((one) => unfold(one, whole, depth + 1)), rest);
}

function at(reference, whole) {
  const steps = reference.replace(/^#\//, "").split("/");
  return steps.reduce((value, step) => value?.[step.replace(/~1/g, "/").replace(/~0/g, "~")], whole);
}

const isNumber = (one) => one.type === "number" || one.type === "integer";

function kindOf(read) {
  if (read[FILE_MARK]) return "upload";
  if (read.const !== undefined || read.enum) return "choice";
  if (read.type === "boolean") return "boolean";
  if (isNumber(read)) return "number";
  if (read.type === "string") return textKind(read);
  if (read.type === "array" && read.items && !read.prefixItems) return "list";
  if (read.type === "object" && read.properties) return "group";
  return "json";
}

function textKind(read) {
  if (["base64", "base64url"].includes(read.format) || read.contentEncoding === "base64") return "file";
  const kinds = { date: "date", "date-time": "moment", time: "time", email: "email", uri: "url", password: "password" };
  return kinds[read.format] || "text";
}

// What a field holds before anybody has touched it; undefined is what will not be sent.
export function firstValue(schema, whole, required) {
  const shape = shapeOf(schema, whole);
  if (shape.default !== undefined) return shape.default;
  if (!required) return undefined;
  return emptyValue(shape, whole);
}

export function emptyValue(shape, whole) {
  if (shape.nullable) return null;
  if (shape.kind === "choice") return shape.const;
  if (shape.kind === "boolean") return false;
  if (shape.kind === "text") return "";
  if (shape.kind === "list") return Array.from({ length: shape.minItems || 0 }, () => firstValue(shape.items, whole, true));
  if (shape.kind === "group") return firstGroup(shape, whole);
  return undefined;
}

export function firstGroup(shape, whole) {
  const made = {};
  for (const [name, inner] of Object.entries(shape.properties || {})) {
    const value = firstValue(inner, whole, (shape.required || []).includes(name));
    if (value !== undefined) made[name] = value;
  }
  return made;
}

export function limits(shape) {
  const told = [];
  const low = shape.minimum ?? shape.exclusiveMinimum;
  const high = shape.maximum ?? shape.exclusiveMaximum;
  if (low !== undefined) told.push(shape.minimum !== undefined ? `at least ${low}` : `more than ${low}`);
  if (high !== undefined) told.push(shape.maximum !== undefined ? `at most ${high}` : `less than ${high}`);
  if (shape.multipleOf) told.push(`in steps of ${shape.multipleOf}`);
  if (shape.minLength > 1) told.push(`at least ${shape.minLength} characters`);
  if (shape.maxLength) told.push(`at most ${shape.maxLength} characters`);
  if (shape.pattern) told.push(`like ${shape.pattern}`);
  if (shape.minItems) told.push(`at least ${shape.minItems}`);
  if (shape.maxItems) told.push(`at most ${shape.maxItems} of them`);
  return told.join(", ");
}

export const pointer = (above, name) => `${above}/${String(name).replace(/~/g, "~0").replace(/\//g, "~1")}`;

// Values of telling names come back hidden: they have to be given again.
export const HIDDEN = "[hidden]";
export function withoutHidden(value) {
  if (Array.isArray(value)) return value.map(withoutHidden);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).filter(([, one]) => one !== HIDDEN).map(([name, one]) => [name, withoutHidden(one)]),
  );
}
export const hidesSomething = (value) => JSON.stringify(value ?? null).includes(JSON.stringify(HIDDEN));
