// What html-validate may not find in our pages: https://html-validate.org/rules
module.exports = {
  root: true,
  extends: ["html-validate:recommended"],
  rules: {
    "no-redundant-role": "off", // a table that a narrow screen lays out as a grid is none for screen readers without it
    "no-trailing-whitespace": "off", // prompts and answers of models stand there as they are
    "long-title": "off", // a title has the name of a machine or of a model, which are as long as they are
  },
};
