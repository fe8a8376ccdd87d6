// The plural form of a text for a count, by the rule of the page's language.
"use strict";

const kotaPlural = {
  // Categories of Unicode in the order in which gettext numbers the forms of a language.
  CATEGORIES: ["zero", "one", "two", "few", "many", "other"],

  form(forms, n, lang = document.documentElement.lang) {
    const rules = new Intl.PluralRules(lang), known = rules.resolvedOptions().pluralCategories;
    const index = kotaPlural.CATEGORIES.filter((name) => known.includes(name)).indexOf(rules.select(n));
    return forms[Math.min(index, forms.length - 1)].replaceAll("{n}", n);
  },
};
