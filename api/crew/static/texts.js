// Texts in the language of the phone's user, as the server gives them for every language.

export class Texts {
  constructor(all, lang) {
    this.all = all;
    this.lang = lang in all ? lang : Object.keys(all)[0];
  }

  // A text with its placeholders filled in.
  t(key, values = {}) {
    const text = this.all[this.lang][key];
    const form = Array.isArray(text) ? text[Math.min(text.length - 1, Number(values.n !== 1))] : text;
    return form.replace(/\{(\w+)\}/g, (_all, name) => values[name]);
  }

  // The texts below a prefix, as the reasons of a stop that is not possible.
  below(prefix) {
    const keys = Object.keys(this.all[this.lang]).filter((key) => key.startsWith(prefix));
    return keys.map((key) => [key.slice(prefix.length), this.t(key)]);
  }

  time(iso, timeZone) {
    const format = new Intl.DateTimeFormat(this.lang, { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone });
    return format.format(new Date(iso));
  }
}

// An element: attributes, `on` + event for listeners, and children, which are never HTML.
export const el = (name, attributes = {}, ...children) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
};
