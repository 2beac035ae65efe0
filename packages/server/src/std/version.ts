/** Of the product, as clients and people see it; that of `package.json`. */
export const VERSION = '0.1.0';
