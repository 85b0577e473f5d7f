//! The script of a page: its modules in one file, so that a browser gets all of them from one instance. During a rolling upgrade
//! another instance may have another version of a module.
//!
//! Modules import names of one another in one line, `import { a, b } from "./other.js";`, and export declarations.

/// A module and all that it imports, each in a function of its own, before those that need it.
pub fn joined(entry: &str, modules: &[(&'static str, &'static str)]) -> String {
    let mut sorted = Vec::new();
    add(entry, modules, &mut sorted);
    sorted
        .iter()
        .map(|(name, text)| wrapped(name, text))
        .collect()
}

/// The modules that a module imports.
pub fn imports(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(import).map(|(_, file)| file)
}

fn add<'a>(name: &str, modules: &[(&'a str, &'a str)], sorted: &mut Vec<(&'a str, &'a str)>) {
    let module = modules.iter().find(|(own, _)| *own == name);
    let module = *module.expect("a module imports files of its folder");
    for imported in imports(module.1) {
        if !sorted.iter().any(|(own, _)| *own == imported) {
            add(imported, modules, sorted);
        }
    }
    sorted.push(module);
}

/// A module as a constant that has what it exports.
fn wrapped(name: &str, text: &str) -> String {
    let lines: Vec<_> = text.lines().map(in_function).collect();
    let exports: Vec<_> = text.lines().filter_map(export).collect();
    let (variable, lines, exports) = (variable(name), lines.join("\n"), exports.join(", "));
    format!("const {variable} = await (async () => {{\n{lines}\nreturn {{ {exports} }};\n}})();\n")
}

fn in_function(line: &str) -> String {
    match import(line) {
        Some((names, file)) => format!("const {{ {names} }} = {};", variable(file)),
        None => line.strip_prefix("export ").unwrap_or(line).to_owned(),
    }
}

/// The names and the file of an import.
fn import(line: &str) -> Option<(&str, &str)> {
    let (names, file) = line.strip_prefix("import { ")?.split_once(" } from \"./")?;
    Some((names, file.strip_suffix("\";")?))
}

/// The name that an export declares.
fn export(line: &str) -> Option<&str> {
    let declaration = line.strip_prefix("export ")?;
    let declaration = declaration.strip_prefix("async ").unwrap_or(declaration);
    let (_, declared) = declaration.split_once(' ')?;
    declared
        .split(|it: char| !it.is_ascii_alphanumeric())
        .next()
}

fn variable(file: &str) -> String {
    format!("module_{}", file.trim_end_matches(".js"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_has_what_its_modules_import_once_and_first() {
        let modules = [
            (
                "main.js",
                "import { b } from \"./b.js\";\nimport { A, a } from \"./a.js\";\na(b);",
            ),
            (
                "a.js",
                "const own = 1;\nexport class A {}\nexport async function a() {}",
            ),
            ("b.js", "import { a } from \"./a.js\";\nexport const b = a;"),
            ("other.js", "never"),
        ];
        let expected = "\
            const module_a = await (async () => {\n\
            const own = 1;\nclass A {}\nasync function a() {}\n\
            return { A, a };\n})();\n\
            const module_b = await (async () => {\n\
            const { a } = module_a;\nconst b = a;\n\
            return { b };\n})();\n\
            const module_main = await (async () => {\n\
            const { b } = module_b;\nconst { A, a } = module_a;\na(b);\n\
            return {  };\n})();\n";
        assert_eq!(joined("main.js", &modules), expected);
    }
}
