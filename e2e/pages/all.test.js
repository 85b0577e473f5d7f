/** All tests in one process, one after the other, on one deployment. */
import "./sale.test.js";
import "./queue.test.js";
import "./identity.test.js";
import "./looks.test.js";
