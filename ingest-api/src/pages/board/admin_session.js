const KEY = "fluxgate:board:token";
/** What the value of a header can hold. */
const TOKEN = /^[\x21-\x7e]+$/;

/**
 * The admin token that was typed in. It is in sessionStorage: a reload keeps it, other tabs and the next start of the browser do
 * not have it, and the browser never sends it by itself, as it would a cookie.
 */
export class AdminSession {
  get token() {
    return sessionStorage.getItem(KEY);
  }

  set token(token) {
    sessionStorage.setItem(KEY, token);
  }

  end() {
    sessionStorage.removeItem(KEY);
  }

  get headers() {
    return { Authorization: `Bearer ${this.token}` };
  }
}

/** Whether a text can be a token at all. */
export const isToken = (text) => TOKEN.test(text);
