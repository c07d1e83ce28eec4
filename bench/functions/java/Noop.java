/** A function that does nothing; run as a program, a virtual machine that does nothing. */
public class Noop {
    public Object handleRequest(Object event) {
        return null;
    }

    public static void main(String[] arguments) {
        System.out.println();
        System.out.flush();
    }
}
