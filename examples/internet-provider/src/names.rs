//! Names as they are given in different parts of the world.

/// Given names and family names that go together.
#[derive(Debug)]
pub(crate) struct Culture {
    pub(crate) given: &'static [&'static str],
    pub(crate) family: &'static [&'static str],
    /// The family name comes first.
    pub(crate) family_first: bool,
}

macro_rules! culture {
    ($name:ident, $family_first:literal, $given:literal, $family:literal) => {
        static $name: std::sync::LazyLock<Culture> = std::sync::LazyLock::new(|| Culture {
            given: leak($given),
            family: leak($family),
            family_first: $family_first,
        });
    };
}

/// The words of a constant, once per process.
fn leak(words: &'static str) -> &'static [&'static str] {
    words.split_whitespace().collect::<Vec<_>>().leak()
}

culture!(
    ENGLISH,
    false,
    "Olivia Noah Charlotte Liam Amelia Oliver Sophie James Isla Henry Grace Theodore Ruby Lucas Hazel Jack Nora Owen Ivy Samuel",
    "Smith Taylor Walker Wright Hughes Bennett Cooper Morgan Reed Foster Murphy Campbell Kelly Brooks Harrison Fletcher Shaw Palmer"
);
culture!(
    IBERIAN,
    false,
    "Lucía Mateo Valentina Santiago Camila Sebastián Martina Diego Isabella Joaquín Renata Emilio Ximena Andrés Paula Tomás Elena Bruno",
    "García Rodríguez Martínez Hernández López González Pérez Sánchez Ramírez Torres Flores Rivera Gómez Díaz Vargas Castro Rojas Ortiz"
);
culture!(
    PORTUGUESE,
    false,
    "Beatriz Miguel Helena Arthur Alice Heitor Laura Davi Mariana João Luana Pedro Clara Rafael Inês Tiago Joana Gustavo",
    "Silva Santos Oliveira Souza Pereira Costa Carvalho Almeida Ferreira Ribeiro Rocha Barbosa Araújo Cardoso Teixeira Moreira"
);
culture!(
    FRENCH,
    false,
    "Jade Louis Emma Gabriel Léa Hugo Manon Arthur Camille Jules Inès Raphaël Chloé Adam Margaux Théo Élise Antoine",
    "Martin Bernard Dubois Moreau Laurent Lefebvre Roux Fournier Girard Bonnet Lambert Fontaine Chevalier Gauthier Perrin Mercier"
);
culture!(
    GERMAN,
    false,
    "Emilia Ben Hannah Paul Mia Finn Lina Jonas Clara Felix Ida Maximilian Frieda Anton Johanna Moritz Greta Jakob",
    "Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Hoffmann Koch Bauer Richter Klein Wolf Schröder Neumann Krüger Zimmermann"
);
culture!(
    NORDIC,
    false,
    "Astrid Lars Ingrid Erik Freja Magnus Saga Oskar Elsa Nils Linnea Emil Sigrid Axel Aino Eino Helmi Jón",
    "Hansen Johansson Nielsen Lindqvist Berg Korhonen Virtanen Dahl Lund Andersen Nyström Holm Sørensen Bergström Haugen Mäkinen"
);
culture!(
    SLAVIC,
    false,
    "Anna Jakub Zofia Ivan Katarína Petr Milena Nikola Olena Andriy Svetlana Dmitri Daria Mikhail Jelena Luka Kateryna Marek",
    "Nowak Kowalczyk Novák Horváth Petrenko Shevchenko Popov Sokolov Jovanović Marković Dimitrov Kozlov Bondarenko Wójcik Babić Morozov"
);
culture!(
    MEDITERRANEAN,
    false,
    "Giulia Leonardo Sofia Francesco Aurora Lorenzo Chiara Marco Eleni Georgios Despina Nikos Ilaria Matteo Alba Davide Katerina Yannis",
    "Rossi Russo Ferrari Esposito Bianchi Romano Colombo Greco Papadopoulos Georgiou Conti Marino Ricci Nikolaidis Gallo Vella"
);
culture!(
    ARABIC,
    false,
    "Fatima Omar Layla Yusuf Maryam Khalid Noor Hassan Amina Tariq Salma Ibrahim Zainab Karim Rania Samir Huda Bilal",
    "Haddad Mansour Al-Farsi Nasser Khoury Saleh Benali Hamdan El-Sayed Rahman Aziz Bouzid Qasim Darwish Al-Amin Najjar"
);
culture!(
    PERSIAN_TURKIC,
    false,
    "Shirin Darius Leyla Emre Zeynep Arman Aigerim Timur Nilufar Rustam Elif Murat Parisa Babak Ayşe Kerem Dilnoza Farhad",
    "Hosseini Yılmaz Karimi Demir Aliyev Nazarbayev Tehrani Kaya Ismoilov Şahin Mammadov Rahimi Öztürk Bekov Ahmadi Çelik"
);
culture!(
    WEST_AFRICAN,
    false,
    "Amara Kwame Ngozi Chidi Abena Kofi Adaeze Emeka Fatou Mamadou Aïssatou Ousmane Yetunde Tunde Ama Sekou Folake Obinna",
    "Okafor Mensah Diallo Adeyemi Traoré Boateng Eze Diop Balogun Owusu Keita Nwosu Konaté Asante Ndiaye Okonkwo"
);
culture!(
    EAST_AFRICAN,
    false,
    "Wanjiru Kamau Achieng Otieno Tigist Abebe Neema Juma Thandiwe Sipho Chipo Tendai Hadiza Baraka Lindiwe Mandla Makena Desta",
    "Mwangi Odhiambo Bekele Dlamini Moyo Banda Nkosi Mutua Wekesa Tesfaye Phiri Ndlovu Mbeki Kimani Chirwa Zulu"
);
culture!(
    SOUTH_ASIAN,
    false,
    "Aarav Priya Arjun Ananya Rohan Diya Vivaan Meera Imran Ayesha Nikhil Kavya Tharindu Nadia Sanjay Lakshmi Bikash Rupa",
    "Sharma Patel Singh Kumar Iyer Reddy Khan Chatterjee Rahman Perera Gupta Nair Joshi Hossain Das Fernando Thapa Malik"
);
culture!(
    CHINESE,
    true,
    "Wei Fang Jing Lei Min Yan Hao Xin Mei Jun Ying Tao Lan Bo Ning Zhen Yu Qing",
    "Wang Li Zhang Liu Chen Yang Huang Zhao Wu Zhou Xu Sun Ma Zhu Hu Lin"
);
culture!(
    JAPANESE,
    true,
    "Haruto Yui Sota Aoi Riku Hina Yuto Sakura Kaito Mei Ren Akari Hiroshi Emi Kenji Naomi Takumi Yuna",
    "Sato Suzuki Takahashi Tanaka Watanabe Ito Yamamoto Nakamura Kobayashi Kato Yoshida Yamada Sasaki Matsumoto Inoue Kimura"
);
culture!(
    KOREAN,
    true,
    "Minjun Seo-yeon Jiho Ha-eun Doyun Ji-woo Eunwoo Soo-ah Jihoon Yuna Hyun-woo Mina Taeyang Eun-ji Junseo Bora",
    "Kim Lee Park Choi Jung Kang Cho Yoon Jang Lim Han Oh Seo Shin"
);
culture!(
    SOUTH_EAST_ASIAN,
    false,
    "Putri Budi Siti Ahmad Maria Jose Linh Minh Somchai Malee Dewi Agus Nurul Rizal Thuy Anh Rosa Bayani",
    "Santoso Wijaya Nguyen Tran Reyes Cruz Suparman Abdullah Pham Chaiyasit Hidayat Bautista Le Ismail Kusuma Dela-Cruz"
);
culture!(
    PACIFIC,
    false,
    "Leilani Tane Moana Sione Mele Kai Ana Tevita Lani Manu Sina Ioane Hina Koa Losa Semi",
    "Tuilagi Fonoti Kealoha Taufa Naidu Vakatawa Tamatoa Leota Waqa Tupou Kamakau Ratu Seumalo Matavai"
);

/// The names of a country: by its code where it stands out in its region, else by its region.
pub(crate) fn of_country(code: &str, region: &str) -> &'static Culture {
    match code {
        "BR" | "PT" | "AO" | "MZ" | "CV" | "ST" | "GW" => &PORTUGUESE,
        "ES" | "AD" | "GQ" | "CU" | "DO" | "PR" => &IBERIAN,
        "FR" | "MC" | "GF" | "GP" | "MQ" | "RE" | "BL" | "MF" | "NC" | "BE" | "LU" | "HT" => &FRENCH,
        "DE" | "AT" | "CH" | "LI" => &GERMAN,
        "IT" | "GR" | "CY" | "MT" | "SM" | "VA" | "AL" => &MEDITERRANEAN,
        "JP" => &JAPANESE,
        "KR" | "KP" => &KOREAN,
        "TR" | "IR" | "AF" => &PERSIAN_TURKIC,
        "GH" | "NG" | "SN" | "ML" | "CI" | "GN" | "BF" | "BJ" | "TG" | "NE" | "SL" | "LR" | "GM" | "CM" => {
            &WEST_AFRICAN
        }
        "SG" => &CHINESE,
        "GY" | "TT" | "MU" => &SOUTH_ASIAN,
        _ => match region {
            "central-america" | "south-america" => &IBERIAN,
            "nordic" => &NORDIC,
            "eastern-europe" => &SLAVIC,
            "middle-east" | "north-africa" => &ARABIC,
            "central-asia" => &PERSIAN_TURKIC,
            "sub-saharan-africa" => &EAST_AFRICAN,
            "south-asia" => &SOUTH_ASIAN,
            "east-asia" => &CHINESE,
            "south-east-asia" => &SOUTH_EAST_ASIAN,
            "pacific-islands" => &PACIFIC,
            _ => &ENGLISH,
        },
    }
}
