// The settings of a run. An invalid value ends k6 before the first request.

export function text(name, fallback) {
  return __ENV[name] || fallback;
}

export function wholeNumber(name, fallback) {
  const value = Number(text(name, fallback));
  if (!Number.isInteger(value) || value < 1) {
    throw new Error(`${name} must be a whole number above 0, not "${__ENV[name]}"`);
  }
  return value;
}

const separated = text('API_URL', 'http://127.0.0.1:8080').split(',');

// All instances of the API; each request goes to one of them.
export const apiUrls = separated.map((url) => url.trim().replace(/\/+$/, '')).filter((url) => url);
export const adminToken = text('ADMIN_TOKEN', '');
export const resultsFolder = text('RESULTS', '.local/k6');
export const timeout = text('TIMEOUT', '10s');
