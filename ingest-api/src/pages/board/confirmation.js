/**
 * The dialog in front of every action: it says what will happen, and then how it ended. Nothing is called before it is confirmed.
 *
 * An action is `{title, lines, field, confirm, isFinal, run, done}`: texts, of which `lines(value)` says what will happen; the
 * number it asks for, `{label, value, max, isFixed}`, if any; whether it cannot be taken back; the call; and what `done(answer)` says.
 */
export class Confirmation {
  #texts;
  #dialog = document.getElementById("confirmation");
  #parts = {};
  #action = null;
  /** Whether the call is under way; and whether it has succeeded. */
  #isBusy = false;
  #isDone = false;
  #onEnd = () => {};

  constructor(texts) {
    this.#texts = texts;
    for (const name of ["form", "title", "lines", "field", "label", "input", "outcome", "confirm", "cancel"]) {
      this.#parts[name] = document.getElementById(`confirmation-${name}`);
    }
    const { form, input, cancel } = this.#parts;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#confirm();
    });
    input.addEventListener("input", () => this.#showLines());
    cancel.addEventListener("click", () => this.#cancel());
    this.#dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.#cancel();
    });
  }

  /** Asks; returns whether the action was done. */
  ask(action) {
    const { title, field, label, input, confirm, cancel } = this.#parts;
    this.#action = action;
    this.#isDone = false;
    title.textContent = action.title;
    field.hidden = !action.field;
    input.disabled = !action.field;
    if (action.field) {
      label.textContent = action.field.label;
      input.max = action.field.max;
      input.value = action.field.value ?? "";
      input.readOnly = Boolean(action.field.isFixed);
    }
    confirm.classList.toggle("final", Boolean(action.isFinal));
    this.#showLines();
    this.#showOutcome(null);
    this.#showButtons();
    this.#dialog.showModal();
    // What cannot be taken back must not be confirmed by a key that is still pressed.
    (action.field && !action.field.isFixed ? input : cancel).focus();
    return new Promise((resolve) => {
      this.#onEnd = resolve;
    });
  }

  get #value() {
    const { input } = this.#parts;
    return input.checkValidity() ? Number(input.value) : null;
  }

  async #confirm() {
    const { input, cancel } = this.#parts;
    if (this.#isBusy || this.#isDone) {
      return;
    }
    this.#isBusy = true;
    input.readOnly = true;
    this.#showOutcome(null);
    this.#showButtons();
    const answer = await this.#action.run(this.#value);
    this.#isBusy = false;
    this.#isDone = Boolean(answer.isOk);
    input.readOnly = answer.isAnswer ? Boolean(this.#action.field?.isFixed) : true;
    this.#showOutcome(answer);
    this.#showButtons();
    cancel.focus();
  }

  #cancel() {
    // The answer has to be waited for: the call has an effect whether somebody looks or not.
    if (!this.#isBusy) {
      this.#dialog.close();
      this.#onEnd(this.#isDone);
    }
  }

  #showLines() {
    const lines = this.#action.lines(this.#value).filter(Boolean);
    const items = lines.map((text) => Object.assign(document.createElement("li"), { textContent: text }));
    this.#parts.lines.replaceChildren(...items);
  }

  #showOutcome(answer) {
    const { outcome, lines, field } = this.#parts;
    outcome.hidden = !answer;
    outcome.className = `outcome ${answer?.isOk ? "good" : "bad"}`;
    outcome.textContent = answer ? this.#outcomeOf(answer) : "";
    lines.hidden = this.#isDone;
    field.hidden = this.#isDone || !this.#action.field;
  }

  #outcomeOf(answer) {
    if (answer.isOk) {
      return this.#action.done(answer);
    }
    const problem = answer.code ? problemText(this.#texts, answer) : this.#texts.get("board.noAnswer");
    return answer.isAnswer ? problem : `${problem} ${this.#texts.get("board.again")}`;
  }

  #showButtons() {
    const { confirm, cancel, outcome } = this.#parts;
    const isAgain = !outcome.hidden;
    const key = this.#isBusy ? "board.busy" : isAgain && "board.tryAgain";
    confirm.textContent = key ? this.#texts.get(key) : this.#action.confirm;
    confirm.hidden = this.#isDone;
    // Not `disabled`: a button that loses the focus loses the place of somebody who uses a keyboard.
    for (const button of [confirm, cancel]) {
      button.setAttribute("aria-disabled", String(this.#isBusy));
    }
    cancel.textContent = this.#texts.get(this.#isDone || isAgain ? "board.back" : "board.cancel");
  }
}

/** What a problem document says, with its code, which the documentation explains. */
export function problemText(texts, { body, requestId }) {
  const { title, detail, code } = body;
  const shown = texts.get("board.problem", { title, detail, code });
  return requestId ? `${shown} ${texts.get("board.requestId", { requestId })}` : shown;
}
