/** The texts of the page, in the first of the browser's languages that there is. */

import { backoffMs } from "./api.js";

const LANGUAGES = ["en", "de"];
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Units of durations, in seconds. */
const UNITS = [["days", 86_400], ["hours", 3_600], ["minutes", 60], ["seconds", 1]];

export class Texts {
  #texts;
  #plurals;
  #numbers;
  #times;
  #clocks;

  /** `locale` is the language with what else the browser says of it, such as its region. */
  constructor(locale, texts) {
    this.language = languageOf(locale);
    this.#texts = texts;
    this.#plurals = new Intl.PluralRules(locale);
    this.#numbers = new Intl.NumberFormat(locale);
    this.#times = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
    this.#clocks = new Intl.DateTimeFormat(locale, { timeStyle: "medium" });
  }

  static async load() {
    const locale = navigator.languages.find((it) => LANGUAGES.includes(languageOf(it))) ?? LANGUAGES[0];
    const url = new URL(`texts-${languageOf(locale)}.json`, import.meta.url);
    for (let failures = 0; ; failures += 1) {
      let isOtherVersion = false;
      try {
        const response = await fetch(url);
        if (response.ok) {
          return new Texts(locale, await response.json());
        }
        isOtherVersion = response.status === 404;
      } catch {
        // No network, or half an answer.
      }
      await new Promise((resolve) => setTimeout(resolve, backoffMs(failures)));
      if (isOtherVersion) {
        location.reload();
      }
    }
  }

  has(key) {
    return key in this.#texts;
  }

  /** A text with its `{names}` filled in. `count` chooses between the forms `key.one` and `key.other`. */
  get(key, args = {}) {
    const form = `${key}.${this.#plurals.select(args.count ?? 0)}`;
    const text = this.#texts[form] ?? this.#texts[`${key}.other`] ?? this.#texts[key] ?? key;
    return text.replace(/\{(\w+)\}/g, (_, name) => this.#shown(args[name]));
  }

  number(value) {
    return this.#numbers.format(value);
  }

  time(at) {
    return this.#times.format(at);
  }

  clock(at) {
    return this.#clocks.format(at);
  }

  /** Like 1:05, 2:10:05 or 3 days 2:10:05. */
  countdown(ms) {
    const seconds = Math.max(0, Math.ceil(ms / 1_000));
    const [days, hours] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3_600) % 24];
    const two = (value) => String(value).padStart(2, "0");
    const minutes = Math.floor(seconds / 60) % 60;
    const clock = hours || days ? `${hours}:${two(minutes)}` : `${minutes}`;
    const shown = `${clock}:${two(seconds % 60)}`;
    return days ? `${this.get("days", { count: days })} ${shown}` : shown;
  }

  /** Like "2 to 4 minutes". */
  range([leastMs, mostMs]) {
    if (mostMs < MINUTE_MS) {
      return this.get("range.seconds");
    }
    const isLong = leastMs > 2 * HOUR_MS;
    const unitMs = isLong ? HOUR_MS : MINUTE_MS;
    const [least, most] = [Math.max(1, Math.floor(leastMs / unitMs)), Math.ceil(mostMs / unitMs)];
    return this.get(isLong ? "range.hours" : "range.minutes", { least, most });
  }

  /** Like "1 day", "90 minutes" or "45 seconds". */
  duration(seconds) {
    const [unit, length] = UNITS.find(([, length]) => seconds % length === 0);
    return this.get(unit, { count: seconds / length });
  }

  #shown(value) {
    return typeof value === "number" ? this.number(value) : String(value);
  }
}

function languageOf(locale) {
  return locale.split("-")[0];
}
