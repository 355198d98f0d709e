const { version: release } = require('./package.json');
const express = require('express');
const typescript = require('typescript');

console.log(`release ${release} node ${process.version} typescript ${typescript.version}`);
const app = express();
app.get('/', (_request, response) => response.send(`release ${release}\n`));
if (process.argv[2] === 'serve') app.listen(8080);
