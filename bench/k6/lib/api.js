// Requests to any instance of the API. Each is named after its kind, so that ids in paths create no new metrics.
import http from 'k6/http';
import { adminToken, apiUrls, timeout } from './settings.js';

const anyCopy = () => apiUrls[Math.floor(Math.random() * apiUrls.length)];
const asJson = { 'Content-Type': 'application/json' };
const asAdmin = { ...asJson, Authorization: `Bearer ${adminToken}` };

function request(method, name, path, body, headers) {
  return http.request(method, anyCopy() + path, body, { headers, timeout, tags: { name } });
}

// The body may not be JSON: a proxy in front of the API has its own error pages.
export function fieldOf(answer, name) {
  try {
    return answer.json(name);
  } catch {
    return undefined;
  }
}

export function postOrder(order, key, more = {}) {
  const headers = key === undefined ? asJson : { ...asJson, 'Idempotency-Key': `"${key}"` };
  return request('POST', 'POST /orders', '/orders', JSON.stringify(order), { ...headers, ...more });
}

export function postJoin(product, userId, more = {}) {
  return request('POST', 'POST /queue/{id}', `/queue/${product}`, JSON.stringify({ userId }), { ...asJson, ...more });
}

export function getQueue(product) {
  return request('GET', 'GET /queue/{id}', `/queue/${product}`);
}

export function getPlace(product, ticket) {
  return request('GET', 'GET /queue/{id}/place', `/queue/${product}/place`, null, withTicket(ticket));
}

export function getPage(product) {
  return request('GET', 'GET /sales/{id}', `/sales/${product}`);
}

export const withTicket = (ticket) => ({ 'Fluxgate-Ticket': ticket });

// followSale opens an event stream and drops it after so many ms. k6 shows nothing of an answer without an end, so this returns
// the status, or 0 if the stream was open until it was dropped. Other failures are thrown.
export function followSale(product, ms) {
  const tags = { name: 'GET /products/{id}/events' };
  try {
    return http.get(`${anyCopy()}/products/${product}/events`, { timeout: ms, tags, responseCallback: null }).status;
  } catch (error) {
    if (/timeout/.test(`${error.message || error}`)) return 0;
    throw error;
  }
}

export function getOrder(id) {
  return request('GET', 'GET /orders/{id}', `/orders/${id}`);
}

export function completeOrder(id) {
  return request('POST', 'POST /orders/{id}/complete', `/orders/${id}/complete`, null, asAdmin);
}

export function getProduct(id) {
  return request('GET', 'GET /products/{id}', `/products/${id}`);
}

export function putProduct(id, sale, headers = asAdmin) {
  return request('PUT', 'PUT /products/{id}', `/products/${id}`, JSON.stringify(sale), headers);
}

export function closeProduct(id) {
  return request('POST', 'POST /products/{id}/close', `/products/${id}/close`, null, asAdmin);
}
