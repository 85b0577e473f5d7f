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

export function postOrder(order, key) {
  const headers = key === undefined ? asJson : { ...asJson, 'Idempotency-Key': `"${key}"` };
  return request('POST', 'POST /orders', '/orders', JSON.stringify(order), headers);
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
