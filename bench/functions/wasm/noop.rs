//! A function that does nothing, as a component.

fn main() {
    print!("null");
}
